//! What may be asked of the admin API. A body that is not exactly one of these is refused with an example of a right one.

use evenkeel_core::engine::Order;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use super::error::{ErrorAnswer, ErrorCode};

/// A request's body.
pub trait Request: DeserializeOwned {
    /// One that is right, for the hint of an error.
    const EXAMPLE: &'static str;

    /// What the types cannot say; the message for a person if it is wrong.
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}

/// `POST /v1/pools/POOL/endpoints/ENDPOINT/state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateRequest {
    /// What the operator wants.
    pub state: StateOrder,
}

/// An operator's order; it stays over reload and restart until `ready` takes it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StateOrder {
    /// What runs may finish, nothing new.
    Draining,
    /// Nothing at all.
    Maintenance,
    /// As checks and traffic say.
    Ready,
}

impl From<Order> for StateOrder {
    fn from(order: Order) -> StateOrder {
        match order {
            Order::Draining => StateOrder::Draining,
            Order::Maintenance => StateOrder::Maintenance,
            Order::Ready => StateOrder::Ready,
        }
    }
}

impl From<StateOrder> for Order {
    fn from(order: StateOrder) -> Order {
        match order {
            StateOrder::Draining => Order::Draining,
            StateOrder::Maintenance => Order::Maintenance,
            StateOrder::Ready => Order::Ready,
        }
    }
}

impl Request for StateRequest {
    const EXAMPLE: &'static str = r#"{"state":"draining"}, "maintenance" or "ready""#;
}

/// `POST /v1/pools/POOL/endpoints/ENDPOINT/weight`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightRequest {
    /// 0–256; `null` = the configured one again. It must be there: an empty body is no order.
    #[serde(deserialize_with = "there")]
    pub weight: Option<u32>,
}

impl Request for WeightRequest {
    const EXAMPLE: &'static str =
        r#"{"weight":50} (0 to 256), or {"weight":null} for the configured one"#;

    fn validate(&self) -> Result<(), String> {
        match self.weight {
            Some(weight) if weight > crate::config::WEIGHT_MAX => {
                Err(format!("found weight {weight}, wanted 0 to 256"))
            }
            _ => Ok(()),
        }
    }
}

/// `POST /v1/services/SERVICE/actions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionRequest {
    /// Its name.
    pub action: String,
    /// Which of the service's commands, for `run`.
    #[serde(default)]
    pub command: Option<String>,
}

impl Request for ActionRequest {
    const EXAMPLE: &'static str = r#"{"action":"restart"}, or {"action":"run","command":"flush"}"#;
}

/// `POST /v1/rollback`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackRequest {
    /// Which one; left out = the one before the current.
    #[serde(default)]
    pub revision: Option<u64>,
}

impl Request for RollbackRequest {
    const EXAMPLE: &'static str = r#"{"revision":6}, or {} for the one before the current"#;
}

/// Without this serde would read a missing field as `None`.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    Option::deserialize(deserializer)
}

/// Reads a body. An empty one is `{}`.
pub fn parse_request<T: Request>(body: &[u8]) -> Result<T, ErrorAnswer> {
    let body = if body.trim_ascii().is_empty() {
        b"{}"
    } else {
        body
    };
    let refuse = |message: String| {
        let hint = format!("send {}", T::EXAMPLE);
        ErrorAnswer::new(ErrorCode::BadRequest, message, hint)
    };
    // serde would take the fields from a list as well.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(refuse("found no JSON object".into()));
    }
    let request: T = serde_json::from_slice(body).map_err(|e| refuse(e.to_string()))?;
    request.validate().map_err(refuse)?;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_as_promised() {
        let state: StateRequest = parse_request(br#"{"state":"draining"}"#).unwrap();
        assert_eq!(state.state, StateOrder::Draining);
        let weight: WeightRequest = parse_request(br#"{"weight":50}"#).unwrap();
        assert_eq!(weight.weight, Some(50));
        let weight: WeightRequest = parse_request(br#"{"weight":null}"#).unwrap();
        assert_eq!(weight.weight, None);
        let back: RollbackRequest = parse_request(b" ").unwrap();
        assert_eq!(back.revision, None);
        let back: RollbackRequest = parse_request(br#"{"revision":6}"#).unwrap();
        assert_eq!(back.revision, Some(6));
    }

    #[test]
    fn what_is_no_order_is_refused_with_an_example() {
        let bad = [
            &br#"{"weight":257}"#[..],
            br#"{}"#,
            br#"{"weight":-1}"#,
            br#"{"weight":1,"wieght":2}"#,
            br#"[50]"#,
            b"\xff",
            br#"{"weight":5}}"#,
        ];
        for body in bad {
            let answer = parse_request::<WeightRequest>(body).unwrap_err();
            assert_eq!(answer.status(), 400);
            assert!(answer.error.hint.unwrap().contains(r#"{"weight":50}"#));
        }
        let answer = parse_request::<StateRequest>(br#"{"state":"up"}"#).unwrap_err();
        assert!(answer.error.message.contains("maintenance"), "{answer:?}");
    }
}
