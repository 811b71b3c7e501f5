//! Names of cipher suites.

use rustls::CipherSuite;
use rustls_dist::cipher_names::{otp_name, parse, parse_all};
use rustls_dist::error::ConfigError;
use rustls_dist::provider::default_provider;

#[test]
fn both_spellings_in_any_case() {
    let names = [
        ("TLS_AES_256_GCM_SHA384", CipherSuite::TLS13_AES_256_GCM_SHA384),
        ("tls_chacha20_poly1305_sha256", CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
        ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
        ("ECDHE-RSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
        ("ecdhe-rsa-aes128-gcm-sha256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
        ("ECDHE-ECDSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
        ("ECDHE-ECDSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
        (" ECDHE-RSA-CHACHA20-POLY1305 ", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ];
    for (name, suite) in names {
        assert_eq!(parse(name).unwrap().suite(), suite, "{name}");
    }
}

#[test]
fn every_suite_of_the_provider_is_known_by_its_otp_name() {
    for suite in default_provider().cipher_suites {
        let name = otp_name(suite.suite());
        assert!(name.starts_with("TLS_"), "{name}");
        assert_eq!(parse(name).unwrap(), suite);
    }
    assert_eq!(otp_name(CipherSuite::TLS_RSA_WITH_AES_128_CBC_SHA), "TLS_RSA_WITH_AES_128_CBC_SHA");
    assert_eq!(otp_name(CipherSuite::Unknown(0x1a1a)), "unknown");
}

#[test]
fn suites_that_exist_but_are_not_offered() {
    let names = [
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
        "TLS_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_CCM_8_SHA256",
        "TLS_PSK_WITH_AES_128_CBC_SHA",
        "TLS_EMPTY_RENEGOTIATION_INFO_SCSV",
        "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
        "ECDHE-RSA-AES256-SHA384",
        "AES128-GCM-SHA256",
        "AES128-SHA",
        "DHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES256-CCM8",
        "DES-CBC3-SHA",
        "rc4-md5",
    ];
    for name in names {
        assert_eq!(parse(name), Err(ConfigError::UnsupportedCipher { name: name.into() }));
    }
}

#[test]
fn every_name_that_rustls_knows_is_at_least_recognised() {
    // These never came further than a draft, and neither OTP nor OpenSSL has names for them.
    let drafts = ["draft", "FORTEZZA", "FIPS", "EXPORT1024", "RMD", "GOST", "ECMQV", "ECNRA"];
    let names = (0..=u16::MAX).filter_map(|number| CipherSuite::from(number).as_str());
    let names = names.filter(|name| !drafts.iter().any(|draft| name.contains(draft)));
    let names: Vec<_> = names.map(|name| name.replace("TLS13_", "TLS_")).collect();
    let unknown = |name: &&String| matches!(parse(name), Err(ConfigError::UnknownCipher { .. }));
    assert_eq!(names.iter().filter(unknown).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(names.len() > 300);
}

#[test]
fn nonsense() {
    for name in
        ["", " ", "HIGH", "aes", "TLS_AES_256_GCM_SHA512", "ECDHE-RSA-AES256-GCM-SHA384X", "-", "default"]
    {
        assert_eq!(parse(name), Err(ConfigError::UnknownCipher { name: name.trim().into() }));
    }
}

#[test]
fn errors_name_the_option() {
    assert_eq!(parse("AES128-SHA").unwrap_err().option(), Some("ciphers"));
    assert!(parse("nonsense").unwrap_err().to_string().contains("\"nonsense\""));
}

#[test]
fn all_of_a_list_are_told_at_once() {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let twice = parse_all(&names(&["TLS_AES_256_GCM_SHA384", "tls_aes_256_gcm_sha384"])).unwrap();
    assert_eq!(twice.len(), 1);
    let one = parse_all(&names(&["TLS_AES_256_GCM_SHA384", "AES128-SHA"]));
    assert_eq!(one, Err(ConfigError::UnsupportedCipher { name: "AES128-SHA".into() }));
    let several =
        parse_all(&names(&["AES128-SHA", "TLS_AES_256_GCM_SHA384", "nonsense", "rc4-md5"])).unwrap_err();
    let (unsupported, unknown) = (names(&["AES128-SHA", "rc4-md5"]), names(&["nonsense"]));
    assert_eq!(several, ConfigError::UnusableCiphers { unsupported, unknown });
    assert_eq!(several.option(), Some("ciphers"));
}
