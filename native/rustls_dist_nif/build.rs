//! The library starts threads that live as long as the VM, so it must never be unmapped: purging the Erlang module
//! calls `dlclose`, which this flag turns into a no-op.

fn main() {
    let target_os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if target_os == "linux" || target_os == "freebsd" {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
    // The VM has the functions of erl_nif.h, which Apple's linker misses at once unless it is told to leave them to dyld.
    if target_os == "macos" {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-undefined,dynamic_lookup");
    }
}
