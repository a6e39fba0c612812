//! Switches the cache from the standard library's locks to shuttle's, in this package alone.

fn main() {
    println!("cargo::rustc-cfg=token_core_shuttle");
}
