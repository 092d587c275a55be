//! What is known of an endpoint.
