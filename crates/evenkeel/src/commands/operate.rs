//! The commands that change something: each is one call of the admin API, and a sentence about what came of it.

use hyper::Method;
use serde_json::{Value, json};

use crate::End;
use crate::cli::{Admin, At, Weight};
use crate::client::{Client, Problem};
use crate::style::Out;

/// `drain`, `maint`, `ready`.
pub(crate) fn state(at: &At, state: &str) -> End {
    let name = &at.endpoint;
    let path = format!(
        "/v1/pools/{}/endpoints/{}/state",
        segment(&name.pool),
        segment(&name.endpoint)
    );
    finish(
        &at.admin,
        Method::POST,
        &path,
        Some(json!({ "state": state })),
        |answer| endpoint_line(&name.pool, answer),
    )
}

/// `weight`.
pub(crate) fn weight(at: &At, weight: Weight) -> End {
    let name = &at.endpoint;
    let path = format!(
        "/v1/pools/{}/endpoints/{}/weight",
        segment(&name.pool),
        segment(&name.endpoint)
    );
    let body = json!({ "weight": weight.0 });
    finish(&at.admin, Method::POST, &path, Some(body), |answer| {
        endpoint_line(&name.pool, answer)
    })
}

/// `reload`.
pub(crate) fn reload(admin: &Admin) -> End {
    finish(admin, Method::POST, "/v1/reload", None, |answer| {
        format!("revision {} is applied", answer["revision"])
    })
}

/// `rollback`.
pub(crate) fn rollback(revision: Option<u64>, admin: &Admin) -> End {
    let body = revision.map(|revision| json!({ "revision": revision }));
    finish(admin, Method::POST, "/v1/rollback", body, |answer| {
        format!(
            "rolled back: its text is applied as revision {}",
            answer["revision"]
        )
    })
}

/// `revisions`.
pub(crate) fn revisions(admin: &Admin) -> End {
    let answer = match call(admin, Method::GET, "/v1/revisions", None) {
        Ok(answer) => answer,
        Err(problem) => return problem.report(),
    };
    let out = Out::new();
    if admin.json {
        out.line(&answer.to_string());
        return End::Done;
    }
    let list = answer
        .as_array()
        .or_else(|| answer["revisions"].as_array())
        .cloned()
        .unwrap_or_default();
    let word = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let rows: Vec<Vec<String>> = list
        .iter()
        .map(|r| {
            let current = if r["current"] == true { "current" } else { "" };
            vec![word(&r["revision"]), word(&r["applied"]), current.into()]
        })
        .collect();
    out.table(&["REVISION", "APPLIED", ""], &rows, |_, _, cell| {
        cell.to_owned()
    });
    End::Done
}

fn endpoint_line(pool: &str, answer: &Value) -> String {
    let word = |key: &str| answer[key].as_str().unwrap_or("?").to_owned();
    format!(
        "{pool}/{} is {}, weight {}: {}",
        word("name"),
        word("state"),
        answer["weight"],
        word("why")
    )
}

fn finish(
    admin: &Admin,
    method: Method,
    path: &str,
    body: Option<Value>,
    sentence: impl FnOnce(&Value) -> String,
) -> End {
    match call(admin, method, path, body) {
        Ok(answer) => {
            let text = if admin.json {
                answer.to_string()
            } else {
                sentence(&answer)
            };
            Out::new().line(&text);
            End::Done
        }
        Err(problem) => problem.report(),
    }
}

/// One call; the answer as JSON.
pub(crate) fn call(
    admin: &Admin,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Result<Value, Problem> {
    let bytes = Client::new(admin)?.call(method, path, body.map(|b| b.to_string()))?;
    serde_json::from_slice(&bytes).map_err(|_| Problem {
        end: End::Failed,
        message: "evenkeel: the answer is not JSON: is this really evenkeel's admin API?".into(),
    })
}

/// `name` as one segment of a path.
pub(crate) fn segment(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    name.bytes()
        .map(|b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_segment() {
        assert_eq!(segment("a-1.b_c"), "a-1.b_c");
        assert_eq!(segment("a/b ?ü"), "a%2Fb%20%3F%C3%BC");
    }
}
