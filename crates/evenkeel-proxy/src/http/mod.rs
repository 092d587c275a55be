//! HTTP/1.1 between clients and endpoints. The engine (`http1`) says what bytes mean; here they are moved.
//!
//! | file | idea |
//! | --- | --- |
//! | `connection` | a client's connection: one request after the other, waiting without a buffer between them |
//! | `runner` | what serves a request, borrowed by the connection for as long as one is under way |
//! | `exchange` | the buffers of one request |
//! | `request` | one request: route it, do what the route says, account for it |
//! | `forward` | the tries of one request |
//! | `attempt` | one try, up to the head of its answer |
//! | `keep` | a request that is written down before it is forwarded |
//! | `session` | whose request it is, read from its cookie and told in one |
//! | `rule` | what may be tried again |
//! | `upload` | the request on its way to an endpoint |
//! | `relay` | the answer on its way to the client |
//! | `switch` | the tunnel after a 101 |
//! | `own` | answers evenkeel makes itself |

mod attempt;
mod connection;
mod exchange;
mod forward;
mod keep;
pub(crate) mod key;
mod kind;
pub(crate) mod load_report;
mod own;
mod patience;
mod relay;
mod request;
mod rule;
mod runner;
mod session;
mod switch;
mod upload;

pub(crate) use connection::{Client, serve};
pub(crate) use runner::Runner;

use exchange::Exchange;
