//! Host names against certificates.

use std::net::IpAddr;

use rustls_dist::certificate::{CertificateFacts, Usages};
use rustls_dist::error::HandshakeError;
use rustls_dist::trust::chain::NameScope;
use rustls_dist::trust::hostname::{CommonNamePolicy, verify};

fn facts(dns: &[&str], addresses: &[&str], common: &[&str]) -> CertificateFacts {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    CertificateFacts {
        serial: String::new(),
        subject: String::new(),
        issuer: String::new(),
        has_alt_names: !dns.is_empty() || !addresses.is_empty(),
        dns_names: owned(dns),
        ip_addresses: addresses.iter().map(|address| address.parse::<IpAddr>().unwrap()).collect(),
        uris: Vec::new(),
        common_names: owned(common),
        not_before_unix_s: 0,
        not_after_unix_s: 0,
        usages: Usages { digital_signature: true, server_auth: true, client_auth: true },
        version: 3,
        self_issued: false,
    }
}

fn accepts(facts: &CertificateFacts, host: &str) -> bool {
    verify(facts, host, CommonNamePolicy::Fallback, NameScope::Free).is_ok()
}

#[test]
fn dns_names_match_exactly_but_for_case() {
    let facts = facts(&["node1.example.com", "Short"], &[], &["cn.example.com"]);
    for host in ["node1.example.com", "NODE1.Example.com", "short"] {
        assert!(accepts(&facts, host), "{host}");
    }
    for host in [
        "node2.example.com",
        "node1.example.com.",
        "example.com",
        "a.node1.example.com",
        "",
        "cn.example.com",
    ] {
        assert!(!accepts(&facts, host), "{host}");
    }
}

#[test]
fn wildcards_in_dns_names_match_nothing() {
    let facts = facts(&["*.example.com", "*"], &[], &[]);
    for host in ["a.example.com", "example.com", "short"] {
        assert!(!accepts(&facts, host), "{host}");
    }
}

#[test]
fn addresses_match_addresses_only() {
    let facts = facts(&["10.0.0.2", "host"], &["10.0.0.1", "2001:db8::1", "::1"], &["10.0.0.3"]);
    for host in ["10.0.0.1", "2001:db8::1", "2001:DB8:0::1", "::1", "host"] {
        assert!(accepts(&facts, host), "{host}");
    }
    for host in ["10.0.0.2", "10.0.0.3", "::ffff:10.0.0.1", "2001:db8::2", "10.0.1", "010.0.0.1"] {
        assert!(!accepts(&facts, host), "{host}");
    }
}

#[test]
fn common_names_count_only_without_alternative_names() {
    let none = facts(&[], &[], &["node1.example.com", "*.cluster.example.com", "db*x.example.com", "*"]);
    let hosts = [
        "node1.example.com",
        "NODE1.example.COM",
        "a.cluster.example.com",
        "dbx.example.com",
        "db17x.example.com",
        "one",
    ];
    for host in hosts {
        assert!(accepts(&none, host), "{host}");
        assert!(verify(&none, host, CommonNamePolicy::Ignore, NameScope::Free).is_err(), "{host}");
    }
    for host in
        ["node2.example.com", "a.b.cluster.example.com", "dx.example.com", "*.cluster.example.com", "", "."]
    {
        assert!(!accepts(&none, host), "{host}");
    }
    let mut other_kind = facts(&[], &[], &["node1.example.com"]);
    other_kind.has_alt_names = true; // an e-mail address, say
    assert!(!accepts(&other_kind, "node1.example.com"));
}

/// Constraints are about alternative names: a common name below them proves nothing, whether it keeps them or not.
#[test]
fn constrained_common_names_match_nothing() {
    let judge = |facts: &CertificateFacts| {
        verify(facts, "node.example.com", CommonNamePolicy::Fallback, NameScope::Constrained)
    };
    let error = judge(&facts(&[], &[], &["node.example.com"])).unwrap_err();
    assert_eq!(error, HandshakeError::CommonNameConstrained { expected: "node.example.com".into() });
    assert_eq!(error.kind(), "name_mismatch");
    assert_eq!(judge(&facts(&[], &[], &["other"])).unwrap_err().kind(), "name_mismatch");
    assert!(judge(&facts(&["node.example.com"], &[], &["other"])).is_ok());
}

#[test]
fn common_names_with_odd_wildcards_match_nothing() {
    let odd = facts(&[], &[], &["*a*.example.com", "a.*.com", "**.example.net", "x*y.example.org"]);
    let hosts =
        ["a.example.com", "bab.example.com", "a.example.com", "a.x.com", "b.example.net", "x.example.org"];
    for host in hosts.into_iter().chain(["*a*.example.com", "a.*.comx", "x*y.example.org"]) {
        assert!(!accepts(&odd, host), "{host}");
    }
}

#[test]
fn addresses_never_match_common_names() {
    let facts = facts(&[], &[], &["10.0.0.1", "127.1", "0x7f.1", "10", "*", "2001:db8::1"]);
    for host in ["10.0.0.1", "127.1", "0x7f.1", "0X7F.1", "10", "2001:db8::1", "999"] {
        assert!(!accepts(&facts, host), "{host}");
    }
    assert!(accepts(&facts, "a10"));
}

#[test]
fn the_error_lists_what_was_presented() {
    let mut with_names = facts(&["a.example.com"], &["10.0.0.1"], &["unseen"]);
    with_names.uris.push("https://c.example.com".into());
    let error =
        verify(&with_names, "b.example.com", CommonNamePolicy::Fallback, NameScope::Free).unwrap_err();
    let presented = ["DNS:a.example.com", "IP:10.0.0.1", "URI:https://c.example.com"];
    assert_eq!(
        error,
        HandshakeError::NameMismatch {
            expected: "b.example.com".into(),
            presented: presented.map(String::from).to_vec()
        }
    );
    let error =
        verify(&facts(&[], &[], &["cn"]), "b", CommonNamePolicy::Ignore, NameScope::Free).unwrap_err();
    assert_eq!(error, HandshakeError::NameMismatch { expected: "b".into(), presented: vec!["CN:cn".into()] });
}
