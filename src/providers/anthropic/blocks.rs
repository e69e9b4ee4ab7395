//! Blocks of content: texts, images, documents.

use serde_json::{Value, json};

use crate::domain::Part;

/// A text as a block; nothing where it says nothing, which Anthropic refuses.
pub(super) fn text(text: &str) -> Vec<Value> {
    if text.trim().is_empty() { Vec::new() } else { vec![json!({"type": "text", "text": text})] }
}

/// The blocks that a part becomes, or why it can be none.
pub(super) fn block(part: &Part<'_>) -> Result<Vec<Value>, String> {
    if let Some(said) = &part.text {
        return Ok(text(said));
    }
    let of: Value = serde_json::from_str(part.raw.get()).unwrap_or_default();
    let block = match part.kind.as_str() {
        "image_url" => image(&of)
            .ok_or("must have an image_url with a url that is http, https or data".to_owned()),
        "file" => {
            document(&of).ok_or("must have a file with file_data, a PDF as a data URL".to_owned())
        }
        kind @ ("text" | "refusal") => Err(format!("must have a {kind}")),
        kind => Err(format!("is of type `{kind}`, which this model cannot be sent")),
    };
    block.map(|block| vec![block])
}

fn image(part: &Value) -> Option<Value> {
    let url = part.get("image_url")?;
    let url = url.get("url").unwrap_or(url).as_str()?;
    let source = match inlined(url) {
        Some((kind, data)) => json!({"type": "base64", "media_type": kind, "data": data}),
        None if is_web(url) => json!({"type": "url", "url": url}),
        None => return None,
    };
    Some(json!({"type": "image", "source": source}))
}

fn document(part: &Value) -> Option<Value> {
    let file = part.get("file")?;
    let (kind, data) = inlined(file.get("file_data")?.as_str()?)?;
    let source = json!({"type": "base64", "media_type": kind, "data": data});
    let mut block = json!({"type": "document", "source": source});
    if let Some(name) = file.get("filename").and_then(Value::as_str) {
        block["title"] = name.into();
    }
    (kind == "application/pdf").then_some(block)
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

/// Media type and base64 of a data URL (RFC 2397).
fn inlined(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let kind = head.strip_suffix(";base64")?;
    Some((kind.split(';').next().unwrap_or(kind), data))
}
