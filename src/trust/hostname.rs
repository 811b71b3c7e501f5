//! Whether a server's certificate names the host that was dialled.
//!
//! The rule is OTP's, so that a certificate that works with `inet_tls` works here: what
//! `public_key:pkix_verify_hostname/3` does with the options that `ssl` gives it by default, and of the
//! calls in `ssl_certificate:verify_hostname/4` the one of OTP 27 (an IP address is only ever compared
//! with IP addresses; OTP 25 compares it with DNS names too).

use std::net::IpAddr;

use crate::certificate::CertificateFacts;
use crate::error::HandshakeError;
use crate::trust::chain::NameScope;

/// Whether the subject's common name may stand in for a subjectAltName that is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommonNamePolicy {
    /// It may (RFC 6125 section 6.4.4); OTP 25 and 27 both do this.
    Fallback,
    /// It may not (RFC 9525 section 1.2).
    Ignore,
}

/// That a certificate names the host that was dialled.
#[derive(Debug)]
pub struct NameVerified(());

/// Checks that a certificate names a host.
///
/// `facts` are those of the server's own certificate. `host` is the host part of a node name: a DNS name,
/// or an IPv4 or IPv6 address in text. As in OTP:
/// - An address has to be among the IP addresses of the subjectAltName.
/// - A DNS name has to equal one of its DNS names; case is ignored and **wildcards there match nothing**.
/// - Without any subjectAltName, and if `policy` allows, a DNS name may match a common name. That may have
///   one `*` within its first label, which stands for any part of one label.
///
/// Other than OTP up to 27, and as OpenSSL: where `names` are constrained by an authority above, a common name does not
/// count. Constraints are about alternative names, and it would escape them.
///
/// # Errors
/// [`HandshakeError::NameMismatch`] with every name that was presented, or [`HandshakeError::CommonNameConstrained`].
pub fn verify(
    facts: &CertificateFacts,
    host: &str,
    policy: CommonNamePolicy,
    names: NameScope,
) -> Result<NameVerified, HandshakeError> {
    let is_named = match host.parse::<IpAddr>() {
        Ok(address) => facts.ip_addresses.contains(&address),
        Err(_) if facts.has_alt_names => facts.dns_names.iter().any(|name| name.eq_ignore_ascii_case(host)),
        Err(_) if policy == CommonNamePolicy::Ignore || !is_common_name(facts, host) => false,
        Err(_) if names == NameScope::Constrained => {
            return Err(HandshakeError::CommonNameConstrained { expected: host.to_owned() });
        }
        Err(_) => true,
    };
    match is_named && !host.is_empty() {
        true => Ok(NameVerified(())),
        false => Err(HandshakeError::NameMismatch {
            expected: host.to_owned(),
            presented: facts.presented_names(),
        }),
    }
}

fn is_common_name(facts: &CertificateFacts, host: &str) -> bool {
    !is_address_in_short_form(host) && facts.common_names.iter().any(|name| matches_pattern(host, name))
}

/// Whether every label is a number. `inet:parse_address/1` reads `127.1` and `0x7f.1` as addresses, and
/// addresses are never compared with common names.
fn is_address_in_short_form(host: &str) -> bool {
    host.split('.').all(|label| {
        let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
        match hexadecimal {
            Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
            None => label.bytes().all(|byte| byte.is_ascii_digit()),
        }
    })
}

fn matches_pattern(host: &str, pattern: &str) -> bool {
    let (host_first, host_rest) = first_label(host);
    let (pattern_first, pattern_rest) = first_label(pattern);
    host_rest.eq_ignore_ascii_case(pattern_rest) && matches_label(host_first, pattern_first)
}

fn first_label(name: &str) -> (&str, &str) {
    name.find('.').map_or((name, ""), |dot| name.split_at(dot))
}

fn matches_label(label: &str, pattern: &str) -> bool {
    let (label, pattern) = (label.to_ascii_lowercase(), pattern.to_ascii_lowercase());
    match pattern.split_once('*') {
        None => label == pattern,
        Some((_, end)) if end.contains('*') || label.contains('*') => false,
        Some((start, end)) => label.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
    }
}
