use crate::domain::{Builtin, Result};
use serde_json::value::RawValue;
pub fn check_payload(_: Builtin, _: Option<&RawValue>) -> Result<()> {
    Ok(())
}
