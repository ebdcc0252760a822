//! The web page: one file, which the browser gets with a policy that lets it load nothing else, and nobody else frame it.

use std::sync::LazyLock;

use axum::{
    http::header,
    response::{Html, IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

const PAGE: &str = include_str!("page.html");

/// Content Security Policy Level 3: the page's own script, and no other.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        BASE64_STANDARD.encode(Sha256::digest(script()))
    )
});

pub(super) async fn page() -> Response {
    let policy = (header::CONTENT_SECURITY_POLICY, POLICY.as_str());
    ([policy, (header::CACHE_CONTROL, "no-cache")], Html(PAGE)).into_response()
}

/// What stands in the page's only script.
fn script() -> &'static str {
    let inside = PAGE.split_once("<script>").and_then(|(_, rest)| rest.split_once("</script>"));
    inside.expect("the page has a script").0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_one_file_with_one_script() {
        assert_eq!(PAGE.matches("<script").count(), 1);
        assert!(!script().is_empty());
        for outside in ["src=\"http", "href=\"http", "@import", "url(http"] {
            assert!(!PAGE.contains(outside), "{outside}");
        }
        assert!(POLICY.contains("script-src 'sha256-") && !POLICY.contains("script-src 'unsafe"));
    }
}
