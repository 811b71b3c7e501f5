//! In which private keys the providers differ: `test/provider.rs' holds the table against what they do.

use rustls_dist::provider::NAME;

/// A kind of private key, how `openssl genpkey` makes one, and whether ring and AWS-LC take it.
pub const KEYS: [(&str, &str, [bool; 2]); 15] = [
    ("p256", "EC -pkeyopt ec_paramgen_curve:P-256", [true, true]),
    ("p384", "EC -pkeyopt ec_paramgen_curve:P-384", [true, true]),
    ("p521", "EC -pkeyopt ec_paramgen_curve:P-521", [false, true]),
    ("k256", "EC -pkeyopt ec_paramgen_curve:secp256k1", [false, false]),
    ("ed25519", "ED25519", [true, true]),
    ("ed448", "ED448", [false, false]),
    ("rsa1024", "RSA -pkeyopt rsa_keygen_bits:1024", [false, false]),
    ("rsa2048", "RSA -pkeyopt rsa_keygen_bits:2048", [true, true]),
    ("rsa2056", "RSA -pkeyopt rsa_keygen_bits:2056", [false, true]),
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
