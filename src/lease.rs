//! What one handshake borrows of a configuration. rustls keeps what it was given as long as a session lives, where this side is
//! the client of TLS 1.3; private keys and trust stores that were replaced are not to live that long.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

/// A shared value that all holders lose at once.
pub(crate) struct Lease<T>(Arc<Mutex<Option<T>>>);

impl<T: Clone> Lease<T> {
    /// Lends `value`.
    pub(crate) fn new(value: T) -> Self {
        Self(Arc::new(Mutex::new(Some(value))))
    }

    /// The value, unless the lease is over.
    pub(crate) fn get(&self) -> Option<T> {
        self.0.lock().clone()
    }
}

impl<T> Lease<T> {
    /// Ends it for all who hold it.
    pub(crate) fn end(&self) {
        let _value = self.0.lock().take();
    }
}

impl<T> Clone for Lease<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for Lease<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}
