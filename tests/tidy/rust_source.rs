//! A Rust file as its compiler sees it: without comments, with lines.

use anyhow::{Context as _, Result};
use proc_macro2::{Group, Ident, TokenStream, TokenTree};

use crate::tree::TextFile;

/// The items of a file.
pub(crate) fn items(file: &TextFile) -> Result<syn::File> {
    let text = file.text.as_deref().unwrap_or_default();
    syn::parse_file(text).with_context(|| format!("{} is not Rust", file.path))
}

/// The tokens of a file. Comments are gone; doc comments are string literals.
pub(crate) fn tokens(file: &TextFile) -> Result<Vec<TokenTree>> {
    let text = file.text.as_deref().unwrap_or_default();
    let stream: TokenStream = text
        .parse()
        .map_err(|error| anyhow::anyhow!("{} is not Rust: {error}", file.path))?;
    let mut flat = Vec::new();
    flatten(stream, &mut flat);
    Ok(flat)
}

/// Every token in the order of the text, groups before what they hold.
fn flatten(stream: TokenStream, flat: &mut Vec<TokenTree>) {
    for token in stream {
        let inside = match &token {
            TokenTree::Group(group) => Some(group.stream()),
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => None,
        };
        flat.push(token);
        if let Some(inside) = inside {
            flatten(inside, flat);
        }
    }
}

/// The names of the attributes of a file, inner and outer, with their lines: `ignore`, `test`, …
///
/// Only the outermost word of each counts: `#[expect(clippy::panic)]` is `expect`.
pub(crate) fn attributes(file: &TextFile) -> Result<Vec<(usize, String)>> {
    let tokens = tokens(file)?;
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_hash = matches!(token, TokenTree::Punct(punct) if punct.as_char() == '#');
        if !is_hash {
            continue;
        }
        let after = tokens.get(at + 1..).unwrap_or_default();
        let group = match after {
            [TokenTree::Punct(bang), TokenTree::Group(group), ..] if bang.as_char() == '!' => group,
            [TokenTree::Group(group), ..] => group,
            _ => continue,
        };
        if let Some(name) = first_ident(group) {
            found.push((line(&name), name.to_string()));
        }
    }
    Ok(found)
}

fn first_ident(group: &Group) -> Option<Ident> {
    match group.stream().into_iter().next() {
        Some(TokenTree::Ident(ident)) => Some(ident),
        Some(TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_)) | None => None,
    }
}

/// Every identifier of a file with its line, keywords included and lifetimes left out.
pub(crate) fn idents(file: &TextFile) -> Result<Vec<(usize, String)>> {
    let mut found = Vec::new();
    let mut of_lifetime = false;
    for token in tokens(file)? {
        if let TokenTree::Ident(ident) = &token
            && !of_lifetime
        {
            found.push((line(ident), ident.to_string()));
        }
        of_lifetime = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '\'');
    }
    Ok(found)
}

/// The lines on which a function or method of one of these names is called, with the name.
pub(crate) fn calls(file: &TextFile, names: &[&str]) -> Result<Vec<(usize, String)>> {
    let tokens = tokens(file)?;
    let mut found = Vec::new();
    let mut defining = false;
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Ident(ident) = token else {
            defining = false;
            continue;
        };
        let name = ident.to_string();
        let called = matches!(tokens.get(at + 1), Some(TokenTree::Group(group))
            if group.delimiter() == proc_macro2::Delimiter::Parenthesis);
        if called && !defining && names.contains(&&*name) {
            found.push((line(ident), name.clone()));
        }
        defining = name == "fn";
    }
    Ok(found)
}

/// The line of an identifier, from 1.
pub(crate) fn line(ident: &Ident) -> usize {
    ident.span().start().line
}

/// A made-up file, for the tests of the rules.
pub(crate) fn sample(path: &str, text: &str) -> TextFile {
    TextFile {
        path: path.to_owned(),
        text: Some(text.to_owned()),
    }
}

#[test]
fn a_call_is_told_from_a_definition_and_from_a_comment() -> Result<()> {
    let text = "// sleep()\nfn sleep() {}\nfn main() { std::thread::sleep(x); a.b(|| sleep(y)) }";
    let found = calls(&sample("a.rs", text), &["sleep"])?;
    assert_eq!(found, [(3, "sleep".to_owned()), (3, "sleep".to_owned())]);
    Ok(())
}

#[test]
fn attributes_are_found_by_their_outermost_word() -> Result<()> {
    let text = "#![deny(missing_docs)]\n#[test]\n#[ignore = \"slow\"]\nfn a() {}";
    let found = attributes(&sample("a.rs", text))?;
    let names: Vec<&str> = found.iter().map(|(_, name)| &**name).collect();
    assert_eq!(names, ["deny", "test", "ignore"]);
    Ok(())
}
