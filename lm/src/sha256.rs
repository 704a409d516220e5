//! SHA-256. The TLS stack has one that uses the processor's own instructions, several times as fast on long prompts; without the
//! feature `http` it is computed in Rust.

#[cfg(feature = "http")]
use aws_lc_rs::digest::{Context, SHA256};
#[cfg(not(feature = "http"))]
use hmac_sha256::Hash as Context;

/// A digest that is being computed; a clone goes on by itself.
#[derive(Clone)]
pub(crate) struct Sha256(Context);

impl Sha256 {
    pub(crate) fn new() -> Self {
        #[cfg(feature = "http")]
        let context = Context::new(&SHA256);
        #[cfg(not(feature = "http"))]
        let context = Context::new();
        Self(context)
    }

    /// Adds bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes.
    pub(crate) fn finish(self) -> [u8; 32] {
        #[cfg(feature = "http")]
        return self.0.finish().as_ref().try_into().unwrap_or_default();
        #[cfg(not(feature = "http"))]
        self.0.finalize()
    }
}

/// The digest of these bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(bytes);
    digest.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_implementations_compute_the_digest_of_the_standard() {
        let hex = |digest: [u8; 32]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let mut begun = Sha256::new();
        begun.update(b"a");
        let mut other = begun.clone();
        other.update(b"bc");
        assert_eq!(other.finish(), sha256(b"abc"));
        assert_eq!(begun.finish(), sha256(b"a"));
    }
}
