//! Finds the route of a request.

use std::sync::Arc;

use hyper::{Method, header::HeaderValue};

use super::routes::Route;

/// All routes, by path and then by method.
pub(super) struct Router {
    paths: matchit::Router<Vec<Arc<Route>>>,
}

/// What a method and path lead to.
pub(super) enum Match<'a> {
    /// A route, and the parts of the path that it names.
    Found(&'a Arc<Route>, matchit::Params<'a, 'a>),
    /// The path exists, with these methods only.
    OtherMethods(HeaderValue),
    /// There is no such path.
    Nothing,
}

/// Two rows of the table are for the same requests, or a path is malformed.
#[derive(Debug, thiserror::Error)]
#[error("the route table contradicts itself at {method} {path}")]
pub struct BadTable {
    method: Method,
    path: &'static str,
}

impl Router {
    pub(super) fn new(table: Vec<Route>) -> Result<Self, BadTable> {
        let mut paths: matchit::Router<Vec<Arc<Route>>> = matchit::Router::new();
        let mut seen: Vec<(Method, &'static str)> = Vec::new();
        for route in table {
            let (method, path) = (route.method.clone(), route.path);
            if seen.contains(&(method.clone(), path)) {
                return Err(BadTable { method, path });
            }
            // A template matches itself, and itself alone among those that may stand beside it.
            match paths.at_mut(path) {
                Ok(known) if seen.iter().any(|(_, other)| *other == path) => {
                    known.value.push(Arc::new(route));
                }
                _ => {
                    let inserted = paths.insert(path, vec![Arc::new(route)]);
                    inserted.map_err(|_| BadTable { method: method.clone(), path })?;
                }
            }
            seen.push((method, path));
        }
        Ok(Self { paths })
    }

    pub(super) fn find<'a>(&'a self, method: &Method, path: &'a str) -> Match<'a> {
        let Ok(found) = self.paths.at(path) else {
            return Match::Nothing;
        };
        let method = match *method {
            Method::HEAD => &Method::GET,
            _ => method,
        };
        match found.value.iter().find(|route| route.method == *method) {
            Some(route) => Match::Found(route, found.params),
            None => Match::OtherMethods(allow(found.value)),
        }
    }
}

/// The value of `Allow` (RFC 9110 §10.2.1).
fn allow(routes: &[Arc<Route>]) -> HeaderValue {
    let mut names: Vec<&str> = Vec::new();
    for route in routes {
        names.push(route.method.as_str());
        if route.method == Method::GET {
            names.push("HEAD");
        }
    }
    // Names of methods are always valid in a header.
    HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static(""))
}
