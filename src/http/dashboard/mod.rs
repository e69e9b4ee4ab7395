//! The dashboard: a page that the program carries in itself, and the routes that are for it alone. The page uses
//! the API as everybody does; what it may do is decided there.

mod api;
mod assets;
mod live;

use hyper::header::HeaderValue;

use super::{
    reply::Reply,
    request::Request,
    routes::{Route, handler},
};
use crate::domain::{Error, Result};
use assets::Asset;

/// Only what the program carries may be loaded, run or asked, and nobody may frame it (CSP Level 3).
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";
/// What a page could ask of a device, and this one never does.
const PERMISSIONS: &str = "accelerometer=(), camera=(), display-capture=(), fullscreen=(), \
    geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), \
    publickey-credentials-get=(), screen-wake-lock=(), serial=(), usb=(), xr-spatial-tracking=()";

/// What is for the dashboard alone.
pub(super) fn routes() -> Vec<Route> {
    let mut table = api::routes();
    table.extend(live::routes());
    table.extend(pages());
    table
}

/// The page itself. It is for people, so the OpenAPI document leaves it out.
fn pages() -> [Route; 5] {
    [
        Route::get("/", "redirectToDashboard", handler!(redirect)),
        Route::get("/dashboard", "getDashboard", handler!(page)),
        Route::get("/dashboard/", "getDashboardRoot", handler!(page)),
        Route::get("/dashboard/{*rest}", "getDashboardPage", handler!(page)),
        Route::get("/dashboard/assets/{version}/{*path}", "getDashboardAsset", handler!(asset)),
    ]
    .map(|route| route.unlogged().for_people())
}

/// `GET /`
async fn redirect(_: Request) -> Result<Reply> {
    Ok(Reply::found(HeaderValue::from_static("/dashboard")))
}

/// `GET /dashboard` and all below it: the same page, which shows what its path names. It is asked for anew each time,
/// so that a browser finds the files of the version that runs.
async fn page(request: Request) -> Result<Reply> {
    let rest = request.segment("rest").unwrap_or_default();
    // What a program asks for is there or it is not; a page would only confuse it.
    if ["api", "assets"].contains(&rest.split('/').next().unwrap_or_default()) {
        return Err(Error::not_found("path"));
    }
    let index = assets::find(assets::INDEX).ok_or_else(|| Error::not_found("page"))?;
    let etag = format!("W/\"{}\"", assets::version());
    let reply = if request.has_current(&etag) {
        varied(Reply::not_modified())
    } else {
        send(&request, index)?
    };
    let etag = HeaderValue::try_from(etag).map_err(Error::internal)?;
    Ok(reply
        .header("etag", etag)
        .header("cache-control", HeaderValue::from_static("no-cache"))
        .header("content-security-policy", HeaderValue::from_static(POLICY))
        .header("x-frame-options", HeaderValue::from_static("DENY"))
        .header("cross-origin-opener-policy", HeaderValue::from_static("same-origin"))
        .header("permissions-policy", HeaderValue::from_static(PERMISSIONS)))
}

/// `GET /dashboard/assets/{version}/{path}`. Another version's file is not there: this one's could be kept under its
/// name for a year, and modules of two versions do not fit together.
async fn asset(request: Request) -> Result<Reply> {
    let (version, path) = (request.segment("version")?, request.segment("path")?);
    let found =
        assets::find(path).filter(|_| version == assets::version() && path != assets::INDEX);
    let asset = found.ok_or_else(|| Error::not_found("file of this version"))?;
    let kept = HeaderValue::from_static("public, max-age=31536000, immutable");
    Ok(send(&request, asset)?.header("cache-control", kept))
}

/// The file as this client takes it.
fn send(request: &Request, asset: &'static Asset) -> Result<Reply> {
    if !asset.is_gzip {
        return Ok(varied(Reply::text(asset.media_type, asset.bytes)));
    }
    if request.accepts_gzip() {
        let packed = Reply::text(asset.media_type, asset.bytes);
        return Ok(varied(packed).header("content-encoding", HeaderValue::from_static("gzip")));
    }
    Ok(varied(Reply::text(asset.media_type, asset.unpacked()?)))
}

/// What all answers have whose bytes depend on what the client takes.
fn varied(reply: Reply) -> Reply {
    let reply = reply.header("vary", HeaderValue::from_static("Accept-Encoding"));
    reply.header("cross-origin-resource-policy", HeaderValue::from_static("same-origin"))
}
