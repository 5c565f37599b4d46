//! JSON a command line gives: in place, in a file, or on standard input.

use std::io::Read as _;
use std::path::Path;

use serde_json::value::RawValue;

use crate::exit::Exit;
use crate::failure::Failure;

/// The JSON `given` stands for, as it is written: itself, `@FILE`, or `-` for standard input.
pub(crate) fn json(given: &str, what: &str) -> Result<Box<RawValue>, Failure> {
    serde_json::from_str(&read(given)?).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Failure::usage(format_args!("{what} is no JSON at {place}"))
    })
}

fn read(given: &str) -> Result<String, Failure> {
    let unreadable = |what: &str, error: std::io::Error| {
        Failure::said(
            Exit::Io,
            "failed",
            format_args!("{what} cannot be read: {error}"),
        )
    };
    if given == "-" {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        return read
            .map(|_| text)
            .map_err(|error| unreadable("standard input", error));
    }
    match given.strip_prefix('@') {
        None => Ok(given.to_owned()),
        Some(file) => {
            std::fs::read_to_string(Path::new(file)).map_err(|error| unreadable(file, error))
        }
    }
}
