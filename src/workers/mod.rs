//! What the queues run: each file is one kind of work.

pub mod deliver_webhook;
