//! What evenkeel will do on a service's own host: report heartbeats and facts (CPU, memory, disk), keep supervised services
//! running, and carry out the recovery actions it is told to.
//!
//! The promise that shapes it: **an agent never decides.** It says what it sees and does what it is told, under the fence it was
//! told it with; which action fits which fault is the core's business, on the balancer's side. An agent that loses its
//! balancer goes on supervising and touches nothing else.
//!
//! It may know core (the words), schema (the protocol), probe (to look at its own services) and keeper (to hold their
//! processes); nothing of proxy and control.
//!
//! Deliberately empty for now: a balancer supervises services on its own host, and there is no protocol yet to speak to
//! another one. The crate is here so that the arrows around it hold from the start.
