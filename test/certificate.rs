//! The facts of a certificate.

use std::net::IpAddr;

use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, date_time_ymd,
};
use rustls_dist::certificate::{CertificateFacts, Usages, spki_der};
use rustls_dist::error::BadEncoding;

const ALT_NAMES: &[u64] = &[2, 5, 29, 17];

fn self_signed(params: &CertificateParams) -> Vec<u8> {
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

#[test]
fn all_facts_of_a_full_certificate() {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Example");
    params.distinguished_name.push(DnType::CommonName, "node1");
    let addresses: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    params.subject_alt_names = vec![
        SanType::DnsName("node1.example.com".try_into().unwrap()),
        SanType::IpAddress(addresses[0]),
        SanType::URI("https://node1.example.com".try_into().unwrap()),
        SanType::IpAddress(addresses[1]),
        SanType::Rfc822Name("node1@example.com".try_into().unwrap()),
    ];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2060, 1, 1);
    let issuer_key = KeyPair::generate().unwrap();
    let mut issuer = CertificateParams::default();
    issuer.distinguished_name = DistinguishedName::new();
    issuer.distinguished_name.push(DnType::CommonName, "root");
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &Issuer::from_params(&issuer, &issuer_key)).unwrap();

    let facts = CertificateFacts::from_der(certificate.der()).unwrap();
    assert_eq!(facts.subject, "O=Example, CN=node1");
    assert_eq!(facts.issuer, "CN=root");
    assert!(facts.has_alt_names);
    assert_eq!(facts.dns_names, ["node1.example.com"]);
    assert_eq!(facts.ip_addresses, addresses);
    assert_eq!(facts.uris, ["https://node1.example.com"]);
    assert_eq!(facts.common_names, ["node1"]);
    assert_eq!(facts.not_before_unix_s, 1_577_836_800);
    assert_eq!(facts.not_after_unix_s, 2_840_140_800);
    assert_eq!(facts.version, 3);
    assert!(!facts.self_issued);
    assert_eq!(spki_der(certificate.der()).unwrap().as_ref(), key.subject_public_key_info());
}

#[test]
fn alternative_names_of_other_kinds_still_count_as_names() {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::Rfc822Name("node1@example.com".try_into().unwrap())];
    let facts = CertificateFacts::from_der(&self_signed(&params)).unwrap();
    assert!(facts.has_alt_names && facts.dns_names.is_empty());
    assert!(facts.self_issued);
    assert_eq!(facts.presented_names(), Vec::<String>::new());
}

#[test]
fn alternative_names_that_cannot_be_read_are_an_error() {
    for contents in [&[0x30, 0x03, 0x82][..], &[0x04, 0x00], &[]] {
        let mut params = CertificateParams::default();
        params.custom_extensions = vec![CustomExtension::from_oid_content(ALT_NAMES, contents.to_vec())];
        assert_eq!(CertificateFacts::from_der(&self_signed(&params)), Err(BadEncoding), "{contents:?}");
    }
    let mut params = CertificateParams::new(vec!["a.example.com".to_owned()]).unwrap();
    let name = [0x30, 0x03, 0x82, 0x01, b'b'];
    params.custom_extensions = vec![CustomExtension::from_oid_content(ALT_NAMES, name.to_vec())];
    assert_eq!(CertificateFacts::from_der(&self_signed(&params)), Err(BadEncoding));
}

#[test]
fn addresses_of_a_wrong_length_are_no_addresses() {
    let mut params = CertificateParams::default();
    let range = [0x30, 0x0a, 0x87, 0x08, 10, 0, 0, 0, 255, 0, 0, 0];
    params.custom_extensions = vec![CustomExtension::from_oid_content(ALT_NAMES, range.to_vec())];
    let facts = CertificateFacts::from_der(&self_signed(&params)).unwrap();
    assert!(facts.has_alt_names && facts.ip_addresses.is_empty());
}

#[test]
fn bytes_that_are_no_certificate() {
    let good = self_signed(&CertificateParams::default());
    let mut trailing = good.clone();
    trailing.push(0);
    for bytes in [&[][..], &[0x30, 0], &good[..good.len() - 1], &trailing] {
        assert_eq!(CertificateFacts::from_der(bytes), Err(BadEncoding));
        assert_eq!(spki_der(bytes).unwrap_err(), BadEncoding);
    }
}

#[test]
fn a_certificate_says_what_its_key_is_for() {
    let usages = |key: &[KeyUsagePurpose], extended: &[ExtendedKeyUsagePurpose]| {
        let mut params = CertificateParams::default();
        params.key_usages = key.to_vec();
        params.extended_key_usages = extended.to_vec();
        let Usages { digital_signature, server_auth, client_auth } =
            CertificateFacts::from_der(&self_signed(&params)).unwrap().usages;
        [digital_signature, server_auth, client_auth]
    };
    assert_eq!(usages(&[], &[]), [true, true, true]);
    assert_eq!(usages(&[KeyUsagePurpose::KeyAgreement], &[]), [false, true, true]);
    assert_eq!(
        usages(&[KeyUsagePurpose::DigitalSignature], &[ExtendedKeyUsagePurpose::ClientAuth]),
        [true, false, true]
    );
    assert_eq!(usages(&[], &[ExtendedKeyUsagePurpose::ServerAuth]), [true, true, false]);
    assert_eq!(usages(&[], &[ExtendedKeyUsagePurpose::Any]), [true, false, false]);
}

#[test]
fn serial_numbers_are_printed_as_openssl_does() {
    for (bytes, text) in [(&[1, 0xab][..], "01AB"), (&[0xff], "FF"), (&[0x7f], "7F")] {
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from_slice(bytes));
        assert_eq!(CertificateFacts::from_der(&self_signed(&params)).unwrap().serial, text);
    }
}
