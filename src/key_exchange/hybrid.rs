//! X25519MLKEM768 (draft-ietf-tls-ecdhe-mlkem section 4): what both halves agree on stays secret as long as one of them holds,
//! X25519 against whoever finds a fault in ML-KEM, and ML-KEM-768 (FIPS 203) against a quantum computer.
//!
//! Shares and the secret are both halves', one after the other, ML-KEM's first. The library of ML-KEM does the computing; here
//! are lengths, randomness, and what is wiped. The stack is wiped by who runs a handshake (`wiping`).

use libcrux_ml_kem::mlkem768::{self, MlKem768Ciphertext, MlKem768PrivateKey, MlKem768PublicKey};
use rustls::crypto::{
    ActiveKeyExchange, CompletedKeyExchange, GetRandomFailed, SharedSecret, SupportedKxGroup,
};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved, ProtocolVersion};
use zeroize::{Zeroize, Zeroizing};

const ENCAPSULATION_KEY_BYTES: usize = 1184;
const CIPHERTEXT_BYTES: usize = 1088;
const X25519_BYTES: usize = 32;

/// The group, made of a provider's X25519 and its random numbers.
#[derive(Debug)]
pub(crate) struct X25519MlKem768 {
    pub(crate) x25519: &'static dyn SupportedKxGroup,
    pub(crate) random: fn(&mut [u8]) -> Result<(), GetRandomFailed>,
}

impl X25519MlKem768 {
    fn random<const BYTES: usize>(&self) -> Result<Zeroizing<[u8; BYTES]>, Error> {
        let mut bytes = Zeroizing::new([0; BYTES]);
        (self.random)(bytes.as_mut_slice())?;
        Ok(bytes)
    }
}

impl SupportedKxGroup for X25519MlKem768 {
    /// A client's side: the key to encapsulate with is its share.
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let x25519 = self.x25519.start()?;
        let (private, public) = mlkem768::generate_key_pair(*self.random()?).into_parts();
        let share = [public.as_slice().as_slice(), x25519.pub_key()].concat();
        Ok(Box::new(Offered { x25519, private: DecapsulationKey(Box::new(private)), share }))
    }

    /// A server's side: the ciphertext is its share.
    fn start_and_complete(&self, client_share: &[u8]) -> Result<CompletedKeyExchange, Error> {
        let (key, point) = halves::<ENCAPSULATION_KEY_BYTES>(client_share)?;
        let key = MlKem768PublicKey::from(key);
        // FIPS 203 section 7.2: each number in it is less than the modulus.
        if !mlkem768::validate_public_key(&key) {
            return Err(PeerMisbehaved::InvalidKeyShare.into());
        }
        let x25519 = self.x25519.start_and_complete(point)?;
        let (ciphertext, secret) = mlkem768::encapsulate(&key, *self.random()?);
        Ok(CompletedKeyExchange {
            group: self.name(),
            pub_key: [ciphertext.as_slice().as_slice(), &x25519.pub_key].concat(),
            secret: joined(Zeroizing::new(secret), &x25519.secret),
        })
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }

    fn usable_for_version(&self, version: ProtocolVersion) -> bool {
        version == ProtocolVersion::TLSv1_3
    }
}

/// A client's two key pairs, of which a server takes both or X25519's alone.
struct Offered {
    x25519: Box<dyn ActiveKeyExchange>,
    private: DecapsulationKey,
    share: Vec<u8>,
}

impl ActiveKeyExchange for Offered {
    fn complete(self: Box<Self>, server_share: &[u8]) -> Result<SharedSecret, Error> {
        let (ciphertext, point) = halves::<CIPHERTEXT_BYTES>(server_share)?;
        let classical = self.x25519.complete(point)?;
        // A ciphertext that was not made with the key gives another secret, and no error (FIPS 203 section 6.3).
        let secret = mlkem768::decapsulate(&self.private.0, &MlKem768Ciphertext::from(ciphertext));
        Ok(joined(Zeroizing::new(secret), &classical))
    }

    /// Offered beside the whole, so that a server that does not know the whole need not ask again.
    fn hybrid_component(&self) -> Option<(NamedGroup, &[u8])> {
        Some((self.x25519.group(), self.x25519.pub_key()))
    }

    fn complete_hybrid_component(self: Box<Self>, server_share: &[u8]) -> Result<SharedSecret, Error> {
        self.x25519.complete(server_share)
    }

    fn pub_key(&self) -> &[u8] {
        &self.share
    }

    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519MLKEM768
    }
}

/// Wiped when dropped; the library's type is not.
struct DecapsulationKey(Box<MlKem768PrivateKey>);

impl Drop for DecapsulationKey {
    fn drop(&mut self) {
        self.0[0..MlKem768PrivateKey::len()].zeroize();
    }
}

/// A share's half of ML-KEM, whose length tells whether it is a client's or a server's, and that of X25519.
fn halves<const ML_KEM_BYTES: usize>(share: &[u8]) -> Result<(&[u8; ML_KEM_BYTES], &[u8]), Error> {
    match share.split_first_chunk() {
        Some((ml_kem, x25519)) if x25519.len() == X25519_BYTES => Ok((ml_kem, x25519)),
        _ => Err(PeerMisbehaved::InvalidKeyShare.into()),
    }
}

fn joined(ml_kem: Zeroizing<[u8; 32]>, x25519: &SharedSecret) -> SharedSecret {
    // `SharedSecret` wipes it; it has its length from the beginning, since a buffer that grows leaves copies behind.
    SharedSecret::from([ml_kem.as_slice(), x25519.secret_bytes()].concat())
}
