//! In which private keys the providers differ: `test/provider.rs' holds the table against what they do.

use rustls_dist::provider::NAME;

/// A kind of private key, how `openssl genpkey` makes one, and whether ring and AWS-LC take it.
pub const KEYS: [(&str, &str, [bool; 2]); 17] = [
    ("p256", "EC -pkeyopt ec_paramgen_curve:P-256", [true, true]),
    ("p384", "EC -pkeyopt ec_paramgen_curve:P-384", [true, true]),
    ("p521", "EC -pkeyopt ec_paramgen_curve:P-521", [false, true]),
    ("k256", "EC -pkeyopt ec_paramgen_curve:secp256k1", [false, false]),
    ("explicit", "EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit", [false, true]),
    ("ed25519", "ED25519", [true, true]),
    ("ed448", "ED448", [false, false]),
    ("rsa1024", "RSA -pkeyopt rsa_keygen_bits:1024", [false, false]),
    ("rsa2048", "RSA -pkeyopt rsa_keygen_bits:2048", [true, true]),
    ("rsa2056", "RSA -pkeyopt rsa_keygen_bits:2056", [false, true]),
    ("rsa2100", "RSA -pkeyopt rsa_keygen_bits:2100", [false, true]),
    ("rsa2560", "RSA -pkeyopt rsa_keygen_bits:2560", [false, true]),
    ("rsa4608", "RSA -pkeyopt rsa_keygen_bits:4608", [false, true]),
    ("rsa-pss", "RSA-PSS -pkeyopt rsa_keygen_bits:2048", [false, false]),
    ("exponent3", "RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:3", [false, true]),
    ("exponent257", "RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_pubexp:257", [false, true]),
    ("primes3", "RSA -pkeyopt rsa_keygen_bits:2048 -pkeyopt rsa_keygen_primes:3", [false, false]),
];

/// Whether the provider takes private keys of a kind of the table; of one that is not there, no.
pub fn has(name: &str) -> bool {
    let row = KEYS.iter().find(|(known, _, _)| *known == name);
    row.is_some_and(|(_, _, both)| both[usize::from(NAME == "aws_lc_rs")])
}

/// Signatures in certificates, by the names that sentences have for them, and whether ring and AWS-LC verify them.
pub const SIGNATURES: [(&str, [bool; 2]); 3] =
    [("ECDSA with SHA-512", [false, true]), ("EC on P-521", [false, true]), ("Ed448", [false, false])];

/// Whether the provider verifies a kind of signature of that table.
pub fn verifies(name: &str) -> bool {
    let row = SIGNATURES.iter().find(|(known, _)| *known == name);
    row.is_some_and(|(_, both)| both[usize::from(NAME == "aws_lc_rs")])
}

/// Whether the provider reckons an EC key's public part, so that a key without one needs no certificate to be complete.
pub fn completes_ec_keys() -> bool {
    NAME == "aws_lc_rs"
}
