//! A new migration is noticed only if the build is told where to look.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations/sqlite");
}
