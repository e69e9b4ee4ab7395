use crate::{
    app::App,
    domain::{Builtin, Result},
    queue::Stop,
    store::AccountScope,
};
use serde_json::{Value, value::RawValue};
use std::sync::Arc;
pub(super) fn run(
    _: &Arc<App>,
    _: AccountScope,
    _: Builtin,
    _: Option<&RawValue>,
    _: &Stop,
) -> Result<Value> {
    Ok(Value::Null)
}
