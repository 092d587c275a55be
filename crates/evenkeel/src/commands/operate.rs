//! The commands that change something: each is one call of the admin API, and a sentence about what came of it.

use std::time::Duration;

use hyper::Method;
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::End;
use crate::cli::{Admin, At, Weight};
use crate::client::{Client, Problem};
use crate::commands::status::age;
use crate::style::{Out, Row};

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
            "rolled back: revision {} is applied again",
            answer["revision"]
        )
    })
}

/// `revisions`.
pub(crate) fn revisions(admin: &Admin) -> End {
    show(
        admin,
        call(admin, Method::GET, "/v1/revisions", None),
        print_revisions,
    )
}

fn print_revisions(out: &Out, answer: &Value) -> End {
    let list = answer["revisions"].as_array();
    let word = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let row = |r: &Value| {
        let current = if r["current"] == true { "current" } else { "" };
        Row {
            cells: vec![
                word(&r["revision"]),
                word(&r["applied"]),
                age(&r["applied"]),
            ],
            note: current.into(),
        }
    };
    let rows: Vec<Row> = list.into_iter().flatten().map(row).collect();
    out.table(&["REVISION", "APPLIED", "AGO", ""], &rows, |_, _, cell| {
        cell.to_owned()
    });
    End::Done
}

fn endpoint_line(pool: &str, answer: &Value) -> String {
    let word = |key: &str| answer[key].as_str().unwrap_or("?").to_owned();
    let state = match word("state").as_str() {
        "maintenance" => "in maintenance".to_owned(),
        other => other.to_owned(),
    };
    format!(
        "{pool}/{} is {state}, weight {}: {}",
        word("name"),
        answer["weight"],
        word("why")
    )
}

/// One call, and a sentence about what came of it.
pub(crate) fn finish(
    admin: &Admin,
    method: Method,
    path: &str,
    body: Option<Value>,
    sentence: impl FnOnce(&Value) -> String,
) -> End {
    show(admin, call(admin, method, path, body), |out, answer| {
        out.line(&sentence(answer));
        End::Done
    })
}

/// What the admin API answered.
pub(crate) struct Answer {
    bytes: Bytes,
    pub(crate) value: Value,
}

impl Answer {
    /// As it came: for `--json`, with the API's own order of fields.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap_or_default().trim()
    }
}

/// Asks for something and tells it to a person, or prints the answer as it is.
pub(crate) fn show(
    admin: &Admin,
    asked: Result<Answer, Problem>,
    tell: impl FnOnce(&Out, &Value) -> End,
) -> End {
    let answer = match asked {
        Ok(answer) => answer,
        Err(problem) => return problem.report(),
    };
    let out = Out::new();
    if admin.json {
        out.line(answer.text());
        return End::Done;
    }
    tell(&out, &answer.value)
}

/// One call; the answer as JSON.
pub(crate) fn call(
    admin: &Admin,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Result<Answer, Problem> {
    answer(Client::new(admin)?.call(method, path, body.map(|b| b.to_string()))?)
}

/// One call that may take longer than others.
pub(crate) fn call_for(
    patience: Duration,
    admin: &Admin,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Result<Answer, Problem> {
    let body = body.map(|b| b.to_string());
    answer(Client::new(admin)?.call_for(patience, method, path, body)?)
}

fn answer(bytes: Bytes) -> Result<Answer, Problem> {
    match serde_json::from_slice(&bytes) {
        Ok(value) => Ok(Answer { bytes, value }),
        Err(_) => Err(Problem {
            end: End::Failed,
            message: "evenkeel: the answer is not JSON: is this really evenkeel's admin API?"
                .into(),
        }),
    }
}

/// All pools, or one, for what they say under `key`. As JSON that is printed here, and the command ends with what is in `Err`.
pub(crate) fn pools_with(
    key: &str,
    pool: Option<&str>,
    admin: &Admin,
    out: &Out,
) -> Result<Vec<Value>, End> {
    let path = pool.map_or_else(
        || "/v1/pools".into(),
        |pool| format!("/v1/pools/{}", segment(pool)),
    );
    let answer = call(admin, Method::GET, &path, None).map_err(|problem| problem.report())?;
    let pools = match answer.value {
        Value::Array(pools) => pools,
        one => vec![one],
    };
    if !admin.json {
        return Ok(pools);
    }
    let told = |of: &Value| json!({"pool": of["name"], key: of[key]});
    let told = match pool {
        Some(_) => pools.first().map_or(Value::Null, told),
        None => pools.iter().map(told).collect(),
    };
    out.line(&told.to_string());
    Err(End::Done)
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
