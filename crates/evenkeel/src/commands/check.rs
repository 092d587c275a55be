//! `evenkeel check FILE`: every mistake at once, without touching anything but the file and what it names.

use std::path::Path;

use evenkeel_control::Tls;

use crate::End;
use crate::style::{Out, complain};

/// Checks a file; `json` prints for programs.
pub(crate) fn check(file: &Path, json: bool) -> End {
    let out = Out::new();
    match Tls::load(file, None) {
        Ok((config, _)) => {
            if json {
                out.line(&serde_json::json!({ "ok": true, "mistakes": [] }).to_string());
            } else {
                let endpoints: usize = config.pools.iter().map(|p| p.endpoints.len()).sum();
                out.line(&format!(
                    "{}: good ({} listeners, {} routes, {} pools, {endpoints} endpoints, {} services)",
                    file.display(),
                    config.listeners.len(),
                    config.routes.len(),
                    config.pools.len(),
                    config.services.len(),
                ));
            }
            End::Done
        }
        Err(mistakes) => {
            if json {
                out.line(&serde_json::json!({ "ok": false, "mistakes": mistakes }).to_string());
            } else {
                complain(evenkeel_schema::explain(&mistakes).trim_end());
            }
            End::Usage
        }
    }
}
