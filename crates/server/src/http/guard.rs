//! Whom the port for HTTP answers.
//!
//! A web page may make its visitor's browser send requests to this machine and, by giving its own name this machine's
//! address, read the answers. Such a request calls the node by the page's name, so only names that are ours are answered
//! to; addresses cannot be used that way. Metrics may need a token besides, and wrong ones are counted as wrong passwords
//! of clients are.

use std::net::IpAddr;

use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Request, StatusCode, Version};
use node::settings::{Secret, Settings};
use sha2::{Digest, Sha256};

use crate::failures::Failures;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It does not say whom it is for, or not once.
    NoHost,
    /// It is for somebody else.
    ForeignHost,
    /// It has no token, or another.
    NoToken,
    /// Too many wrong tokens came from there; this one was not looked at.
    TooMany,
}

impl Refusal {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Refusal::NoHost => StatusCode::BAD_REQUEST,
            Refusal::ForeignHost => StatusCode::MISDIRECTED_REQUEST,
            Refusal::NoToken => StatusCode::UNAUTHORIZED,
            Refusal::TooMany => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Refusal::NoHost => "the request has no valid Host header\n",
            Refusal::ForeignHost => {
                "this node is not called so; the setting http-hosts names the names it has\n"
            }
            Refusal::NoToken => "metrics need the token of this node: Authorization: Bearer TOKEN\n",
            Refusal::TooMany => "too many wrong tokens from your address; try again later\n",
        }
    }
}

/// What is asked of a request.
pub(super) struct Guard {
    /// In lower case.
    names: Vec<String>,
    token: Secret,
    failures_max: u32,
    failures: Failures,
}

impl Guard {
    pub(super) fn new(settings: &Settings) -> Guard {
        Guard {
            names: settings.http_hosts.iter().map(|name| name.to_ascii_lowercase()).collect(),
            token: settings.http_token.clone(),
            failures_max: settings.auth_failures_max,
            failures: Failures::default(),
        }
    }

    /// Whether the request calls this node by a name of its own. Load balancers ask for its health in HTTP/1.0, which no browser
    /// speaks, and call it by none.
    pub(super) fn check_host<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let is_plain = request.version() == Version::HTTP_10
            && request.uri().authority().is_none()
            && request.uri().path().starts_with("/health/");
        if is_plain && !request.headers().contains_key(HOST) {
            return Ok(());
        }
        let mut hosts = request.headers().get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Refusal::NoHost) };
        let host = host.to_str().ok().and_then(host_of).ok_or(Refusal::NoHost)?;
        // A target in the absolute form names a host, too, which counts before the header.
        let target = request.uri().authority().map(|authority| host_of(authority.as_str()));
        let named = [Some(host), target.unwrap_or(Some(host))];
        match named.iter().all(|host| host.is_some_and(|host| self.is_ours(host))) {
            true => Ok(()),
            false => Err(Refusal::ForeignHost),
        }
    }

    fn is_ours(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        host == "localhost" || host.parse::<IpAddr>().is_ok() || self.names.contains(&host)
    }

    /// Whether the request has the token, if there is one.
    pub(super) fn check_token<B>(&self, request: &Request<B>, from: IpAddr) -> Result<(), Refusal> {
        if self.token.is_empty() {
            return Ok(());
        }
        let (free, failures) = (self.failures_max, &self.failures);
        if free > 0 && !failures.wait(from, free).is_zero() {
            return Err(Refusal::TooMany);
        }
        let Some(given) = token_of(request) else { return Err(Refusal::NoToken) };
        // Of digests, the time that a comparison takes tells nothing about what was hashed.
        if Sha256::digest(given) == Sha256::digest(self.token.expose().as_bytes()) {
            return Ok(());
        }
        if free > 0
            && let Some(wait) = failures.note(from, free, Some(given))
        {
            let seconds = wait.as_secs();
            tracing::warn!(source = %from, seconds, "too many wrong tokens, no more are tried for a while");
        }
        Err(Refusal::NoToken)
    }
}

/// The host of `host`, `host:port`, `[v6]` or `[v6]:port`.
fn host_of(authority: &str) -> Option<&str> {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let (host, rest) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let is_fine = rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
    (is_fine && !host.is_empty()).then_some(host)
}

fn token_of<B>(request: &Request<B>) -> Option<&[u8]> {
    let value = request.headers().get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(uri: &str, hosts: &[&str], expect: Result<(), Refusal>) {
        let mut settings = Settings::new();
        settings.http_hosts = vec!["Narf.example".to_owned()];
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let request = request.body(()).unwrap();
        assert_eq!(Guard::new(&settings).check_host(&request), expect, "{uri} {hosts:?}");
    }

    #[test]
    fn a_node_answers_to_its_own_names_and_to_addresses() {
        for host in [
            "localhost",
            "LOCALHOST:8379",
            "localhost.",
            "127.0.0.1",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:8379",
            "10.1.2.3:8379",
            "narf.example",
            "NARF.example:80",
        ] {
            check("/metrics", &[host], Ok(()));
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "narf.example.evil.example:80",
            "127.0.0.1.nip.io",
            "1.2.3",
        ] {
            check("/metrics", &[host], Err(Refusal::ForeignHost));
        }
        for host in ["", ":80", "[::1", "localhost:", "localhost:x", "[::1]x"] {
            check("/metrics", &[host], Err(Refusal::NoHost));
        }
    }

    #[test]
    fn a_question_for_health_in_http_1_0_need_not_say_whom_it_is_for() {
        let of = |uri: &str, host: Option<&str>| {
            let request = Request::builder().uri(uri).version(Version::HTTP_10);
            let request = host.into_iter().fold(request, |request, host| request.header(HOST, host));
            Guard::new(&Settings::new()).check_host(&request.body(()).unwrap())
        };
        assert_eq!(of("/health/ready", None), Ok(()));
        assert_eq!(of("/health/ready", Some("evil.example")), Err(Refusal::ForeignHost));
        assert_eq!(of("/metrics", None), Err(Refusal::NoHost));
        assert_eq!(of("http://evil.example/health/ready", None), Err(Refusal::NoHost));
    }

    #[test]
    fn a_request_says_once_whom_it_is_for() {
        check("/", &[], Err(Refusal::NoHost));
        check("/", &["localhost", "evil.example"], Err(Refusal::NoHost));
        check("http://evil.example/metrics", &["localhost"], Err(Refusal::ForeignHost));
        check("http://localhost/metrics", &["evil.example"], Err(Refusal::ForeignHost));
        check("http://localhost:8379/metrics", &["localhost"], Ok(()));
    }

    #[test]
    fn a_token_stands_behind_its_scheme() {
        let token = |value: &str| {
            let request = Request::builder().header(AUTHORIZATION, value).body(()).unwrap();
            token_of(&request).map(<[u8]>::to_vec)
        };
        assert_eq!(token("Bearer abc"), Some(b"abc".to_vec()));
        assert_eq!(token("bearer  abc "), Some(b"abc".to_vec()));
        assert_eq!(token("Basic abc"), None);
        assert_eq!(token("Bear"), None);
        assert_eq!(token("Bearer"), None);
    }
}
