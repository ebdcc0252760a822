//! The web page: one file, which the browser gets with a policy that lets it load nothing else, and nobody else frame it.

use std::sync::LazyLock;

use axum::{
    http::header,
    response::{Html, IntoResponse, Response},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest, Sha256};

/// The page. It asks for the stream beside it and for nothing else.
pub const HTML: &str = include_str!("page.html");

/// Content Security Policy Level 3: the page's own script, and no other.
pub static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        BASE64_STANDARD.encode(Sha256::digest(script()))
    )
});

pub(super) async fn page() -> Response {
    let policy = (header::CONTENT_SECURITY_POLICY, POLICY.as_str());
    // After an upgrade of the agent the page is another.
    let fresh = (header::CACHE_CONTROL, "no-cache");
    ([policy, fresh, (header::X_CONTENT_TYPE_OPTIONS, "nosniff")], Html(HTML)).into_response()
}

/// What stands in the page's only script.
fn script() -> &'static str {
    let inside = HTML.split_once("<script>").and_then(|(_, rest)| rest.split_once("</script>"));
    inside.expect("the page has a script").0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_one_file_with_one_script() {
        assert_eq!(HTML.matches("<script").count(), 1);
        assert!(!script().is_empty());
        let forbidden =
            ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "@import", "url("];
        for forbidden in forbidden {
            assert!(!HTML.contains(forbidden), "{forbidden}");
        }
        // The name of SVG's elements, which no browser asks for, and no other address.
        assert_eq!(HTML.matches("://").count(), HTML.matches("http://www.w3.org/2000/svg").count());
        assert!(POLICY.contains("script-src 'sha256-") && !POLICY.contains("script-src 'unsafe"));
    }
}
