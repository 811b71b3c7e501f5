//! What a computation with secrets leaves behind: on the stack, keys that were moved, a hash's last block, spilled registers; in
//! the vector registers, the key that a cipher worked with or the secret that was copied. ring and rustls wipe little of it, and
//! a thread that sleeps, or a scheduler of the VM, keeps it for as long as nothing else goes as deep or computes as much. From the
//! registers it gets to the stack again: the dynamic loader saves them there when a C function is called for the first time.

use std::hint::black_box;

use zeroize::zeroize_stack;

/// Copies of so many bytes go through other registers each (libc's memmove).
const COPIES_BYTES: [usize; 4] = [32, 64, 128, 256];

/// What has computed with secrets, and so which registers may hold some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Computed {
    /// Records by AES-GCM.
    AesGcm,
    /// Records by ChaCha20-Poly1305.
    ChaCha20,
    /// A key exchange, signatures, derivations, and copies of what came of them.
    Handshake,
}

/// Calls `work`, then has no secret go through the vector registers that `computed` has used, and overwrites the next
/// `BYTES` of the stack, where `work` had its variables. What `work` returns is not wiped.
pub fn wiping_behind<const BYTES: usize, T>(computed: Computed, work: impl FnOnce() -> T) -> T {
    let result = apart(work);
    refill_registers(computed);
    zeroize_stack::<BYTES>();
    result
}

/// In a frame of its own, below that of the caller and where the wiping begins.
#[inline(never)]
fn apart<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn refill_registers(computed: Computed) {
    cipher::compute(computed);
    if computed == Computed::Handshake {
        let nothing = [0; COPIES_BYTES[COPIES_BYTES.len() - 1]];
        let mut copy = nothing;
        for bytes in COPIES_BYTES {
            let bytes = black_box(bytes);
            black_box(&mut copy)[..bytes].copy_from_slice(&black_box(&nothing)[..bytes]);
        }
    }
}

/// ring's ChaCha20 goes through all registers that its other ciphers and hashes use; its AES, which takes half the time, through
/// those of AES.
#[cfg(all(feature = "ring", not(feature = "aws_lc_rs")))]
mod cipher {
    use std::hint::black_box;
    use std::sync::LazyLock;

    use ring::aead::{
        AES_128_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey,
    };

    use super::Computed;

    static AES_GCM: LazyLock<Option<LessSafeKey>> = LazyLock::new(|| no_secret(&AES_128_GCM));
    static CHACHA20: LazyLock<Option<LessSafeKey>> = LazyLock::new(|| no_secret(&CHACHA20_POLY1305));

    /// A key that everybody knows. There is one for each cipher: its length is the cipher's.
    fn no_secret(algorithm: &'static Algorithm) -> Option<LessSafeKey> {
        UnboundKey::new(algorithm, &[0; 32][..algorithm.key_len()]).ok().map(LessSafeKey::new)
    }

    /// Seals a byte.
    pub(super) fn compute(computed: Computed) {
        let key = match computed {
            Computed::AesGcm => &*AES_GCM,
            Computed::ChaCha20 | Computed::Handshake => &*CHACHA20,
        };
        if let Some(key) = key {
            let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
            let _ = black_box(key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut [0]));
        }
    }
}

/// What AWS-LC leaves there has not been looked at.
#[cfg(feature = "aws_lc_rs")]
mod cipher {
    pub(super) fn compute(_computed: super::Computed) {}
}
