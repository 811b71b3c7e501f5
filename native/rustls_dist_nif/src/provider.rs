//! Which library runs, and with which crypto provider.

use rustler::{Atom, Env, NifResult};

#[rustler::nif]
fn provider(env: Env<'_>) -> NifResult<Atom> {
    Atom::from_str(env, rustls_dist::provider::NAME)
}

#[rustler::nif]
fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
