//! The files of the page, as `build.rs` packed them.

use std::{io::Read as _, sync::OnceLock};

use flate2::read::GzDecoder;

use crate::domain::{Error, Result};

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The page that loads all others.
pub(super) const INDEX: &str = "index.html";

/// A file that the program carries.
pub(super) struct Asset {
    /// Within the folder of the page.
    path: &'static str,
    pub(super) media_type: &'static str,
    /// Whether the bytes are packed; fonts are not.
    pub(super) is_gzip: bool,
    pub(super) bytes: &'static [u8],
    /// The bytes unpacked, once somebody asked for them.
    plain: OnceLock<Vec<u8>>,
}

impl Asset {
    /// The file as it was written, for the few clients that take nothing packed.
    pub(super) fn unpacked(&self) -> Result<&[u8]> {
        if let Some(plain) = self.plain.get() {
            return Ok(plain);
        }
        let mut bytes = Vec::new();
        GzDecoder::new(self.bytes).read_to_end(&mut bytes).map_err(Error::internal)?;
        Ok(self.plain.get_or_init(|| bytes))
    }
}

/// Stands for all files as they are.
pub(super) const fn version() -> &'static str {
    VERSION
}

/// The file at this path of the folder.
pub(super) fn find(path: &str) -> Option<&'static Asset> {
    FILES.iter().find(|file| file.path == path)
}

#[cfg(test)]
mod tests;
