//! A new migration is noticed only if the build is told where to look, and so is a change of a query that returns no
//! column: sqlx names the files of the others only.

fn main() {
    println!("cargo:rerun-if-changed=sql");
    println!("cargo:rerun-if-changed=../../migrations/postgres");
}
