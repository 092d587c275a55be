//! Less work for an endpoint, asked for by whoever has a reason (see `prevent::Relief`).

use crate::health::Sign;
use crate::id::EndpointId;
use crate::prevent::Reliever;

use super::Engine;

impl Engine {
    /// `by` wants the endpoint at so many thousandths of its weight, for this reason; `None` = not any more. The table that
    /// says so is published at the end of the present event.
    pub(crate) fn relieve(
        &mut self,
        endpoint: EndpointId,
        by: Reliever,
        wanted: Option<(u32, &str)>,
    ) {
        self.sign(endpoint, Sign::Relieve(by, wanted));
    }
}
