//! `evenkeel sessions`: which endpoints clients are bound to.

use serde_json::Value;

use crate::End;
use crate::cli::Admin;
use crate::commands::operate::pools_with;
use crate::style::{Out, Row};

/// Of all pools that know their clients again, or of one.
pub(crate) fn sessions(pool: Option<&str>, admin: &Admin) -> End {
    let out = Out::new();
    let pools = match pools_with("sessions", pool, admin, &out) {
        Ok(pools) => pools,
        Err(end) => return end,
    };
    let sticky = |of: &&Value| pool.is_some() || !of["sessions"].is_null();
    let shown: Vec<&Value> = pools.iter().filter(sticky).collect();
    if shown.is_empty() {
        out.line("no pool knows its clients again: [pool.NAME.session] asks for it");
    }
    for (n, pool) in shown.into_iter().enumerate() {
        if n > 0 {
            out.line("");
        }
        print_pool(&out, pool);
    }
    End::Done
}

fn print_pool(out: &Out, pool: &Value) {
    let name = pool["name"].as_str().unwrap_or_default();
    let sessions = &pool["sessions"];
    if sessions.is_null() {
        out.line(&format!(
            "pool {name} does not know its clients again: [pool.{name}.session] asks for it"
        ));
        return;
    }
    let number = |key: &str| sessions[key].as_u64().unwrap_or(0);
    out.line(&format!(
        "{}  {} sessions by {}, over {} s after the last request",
        out.bold(&format!("pool {name}")),
        number("live"),
        sessions["by"].as_str().unwrap_or_default(),
        number("ttl_s"),
    ));
    out.line(&format!(
        "{} begun, {} moved, {} went back; {} requests kept their endpoint; ignored {} forged and {} expired {}",
        number("begun"),
        number("moved"),
        number("returned"),
        number("kept"),
        number("forged"),
        number("expired"),
        match sessions["by"].as_str() {
            Some(by) if by.starts_with("jwt:") => "tokens",
            _ => "cookies",
        },
    ));
    let endpoints = sessions["endpoints"].as_array();
    let rows: Vec<Row> = endpoints.into_iter().flatten().map(row).collect();
    out.table(&["ENDPOINT", "SESSIONS", ""], &rows, |_, _, cell| {
        cell.to_owned()
    });
}

fn row(endpoint: &Value) -> Row {
    Row {
        cells: vec![
            endpoint["name"].as_str().unwrap_or_default().to_owned(),
            endpoint["sessions"].to_string(),
        ],
        note: String::new(),
    }
}
