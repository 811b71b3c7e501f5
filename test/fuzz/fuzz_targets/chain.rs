//! A certificate chain as a peer may send it: the facts that are read from it, the check of names, and the verdict. The
//! input is a trusted certificate and a chain, each certificate with its length in two bytes before it.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use rustls_dist::certificate::{CertificateFacts, spki_der};
use rustls_dist::trust::chain::again::{self, Consent, Forgiven};
use rustls_dist::trust::chain::{self, NameScope, PeerRole};
use rustls_dist::trust::hostname::{self, CommonNamePolicy};
use rustls_dist::trust::{TrustSource, TrustStore};
use rustls_pki_types::{CertificateDer, UnixTime};

/// 2026-11-24, when the seeds' certificates are valid.
const NOW_UNIX_S: u64 = 1_795_521_600;

fuzz_target!(|input: &[u8]| {
    let certificates = split(input);
    for der in &certificates {
        let _ = spki_der(der);
        if let Ok(facts) = CertificateFacts::from_der(der) {
            for host in ["localhost", "127.0.0.1", "a.example.org"] {
                let _ = hostname::verify(&facts, host, CommonNamePolicy::Fallback, NameScope::Free);
            }
        }
    }
    let [root, leaf, intermediates @ ..] = certificates.as_slice() else {
        return;
    };
    let Ok(trust) = TrustStore::from_source(&TrustSource::Certificates(vec![root.clone()])) else {
        return;
    };
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW_UNIX_S));
    for role in [PeerRole::Server, PeerRole::Client] {
        if let Err(error) = chain::verify(&trust, 10, leaf, intermediates, role, now) {
            assert!(!error.to_string().is_empty() && error.alert().is_some());
        }
        let all = [
            Consent::Validity,
            Consent::Purpose,
            Consent::Issuer,
            Consent::Signature,
            Consent::Algorithm,
            Consent::PathLength,
            Consent::TooManyIntermediates,
            Consent::Names,
            Consent::NotAnAuthority,
            Consent::MayNotSign,
            Consent::PeerIsAuthority,
            Consent::Version,
            Consent::WeakKey,
            Consent::AnyExtension,
        ];
        let forgiven = |certificate: &CertificateDer<'static>| Forgiven {
            certificate: certificate.clone(),
            consents: all.to_vec(),
        };
        let path: Vec<_> = std::iter::once(leaf).chain(intermediates).map(forgiven).collect();
        for anchor in [None, Some(&forgiven(root))] {
            let _ = again::verify(&path, anchor, 10, role, now);
        }
    }
});

fn split(mut input: &[u8]) -> Vec<CertificateDer<'static>> {
    let mut certificates = Vec::new();
    while let [hi, lo, rest @ ..] = input {
        let length = usize::from(u16::from_be_bytes([*hi, *lo])).min(rest.len());
        certificates.push(CertificateDer::from(rest[..length].to_vec()));
        input = &rest[length..];
    }
    certificates
}
