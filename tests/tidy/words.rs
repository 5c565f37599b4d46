//! One word per thing: names in code that the glossary replaces by another.

use anyhow::Result;
use proc_macro2::Ident;
use syn::visit::{self, Visit};

use crate::tree::{self, TextFile};
use crate::{findings, rust_source};

/// What a name is of, as far as a rule cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Function,
    Type,
    Other,
}

/// Words that no name contains, and what the glossary says instead.
const BANNED: &[(&str, &str)] = &[
    ("task", "run, step or future"),
    ("tasks", "runs, steps or futures"),
    ("job", "run"),
    ("jobs", "runs"),
    ("execution", "run or attempt"),
    ("executions", "runs or attempts"),
    ("instance", "run"),
    ("instances", "runs"),
    ("manager", "what it owns"),
    ("managers", "what they own"),
    ("handler", "workflow, or the route's own verb"),
    ("handlers", "workflows, or routes"),
    ("helper", "what it does"),
    ("helpers", "what they do"),
    ("util", "what it does"),
    ("utils", "what they do"),
    ("common", "what is shared"),
    ("misc", "what it holds"),
];

/// Words that end no type's name.
const BANNED_TAILS: &[&str] = &["data", "info"];

/// A verb too wide to begin a function's name with; as a noun it is the operating system's.
const BANNED_VERB: &str = "process";

/// Function names that begin with the operating system's process, the noun.
const PROCESS_THE_NOUN: &[&str] = &["id", "ids", "group", "is", "exit"];

/// Where a banned word is the right one.
const FORGIVEN: &[(&str, &str, &str)] = &[(
    "crates/server/src/",
    "handler",
    "an HTTP handler is called so by everybody",
)];

/// `fulfillOrderHTTP2_now` as its lowercase words.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let chars: Vec<char> = name.chars().collect();
    for (at, &letter) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| chars.get(before));
        let after = chars.get(at + 1);
        let hump = letter.is_uppercase()
            && (before.is_some_and(|before| before.is_lowercase() || before.is_numeric())
                || after.is_some_and(|after| after.is_lowercase()));
        if letter == '_' || letter == '-' || hump {
            words.push(String::new());
        }
        if letter != '_'
            && letter != '-'
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What is wrong with a name, if anything is.
fn wrong_with(path: &str, named: Named, name: &str) -> Option<String> {
    let words = words(name);
    let forgiven = |word: &str| {
        FORGIVEN
            .iter()
            .any(|(under, forgiven, _)| path.starts_with(under) && *forgiven == word)
    };
    for (banned, instead) in BANNED {
        if words.iter().any(|word| word == banned) && !forgiven(banned) {
            return Some(format!("`{name}` says {banned}; we say {instead}"));
        }
    }
    let tail = words
        .last()
        .filter(|_| words.len() > 1 && named == Named::Type);
    if let Some(tail) = tail.filter(|tail| BANNED_TAILS.contains(&&***tail)) {
        return Some(format!(
            "`{name}` ends in {tail}, which says nothing: name what it is"
        ));
    }
    let mut begin = words.iter();
    let verb = named == Named::Function && begin.next().is_some_and(|word| word == BANNED_VERB);
    if verb
        && !begin
            .next()
            .is_some_and(|word| PROCESS_THE_NOUN.contains(&&**word))
    {
        return Some(format!("`{name}` processes: say what it does"));
    }
    None
}

/// The names a file gives. Names it only uses are their owners' affair.
#[derive(Default)]
struct Given(Vec<(usize, Named, String)>);

impl Given {
    fn give(&mut self, named: Named, ident: &Ident) {
        self.0
            .push((rust_source::line(ident), named, ident.to_string()));
    }
}

impl<'ast> Visit<'ast> for Given {
    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.give(Named::Function, &signature.ident);
        visit::visit_signature(self, signature);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.give(Named::Type, &item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.give(Named::Type, &item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.give(Named::Type, &item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.give(Named::Type, &item.ident);
        visit::visit_item_type(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.give(Named::Other, &item.ident);
        visit::visit_item_mod(self, item);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.give(Named::Other, &item.ident);
        visit::visit_item_const(self, item);
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.give(Named::Other, &item.ident);
        visit::visit_item_static(self, item);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(ident) = &field.ident {
            self.give(Named::Other, ident);
        }
        visit::visit_field(self, field);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.give(Named::Other, &variant.ident);
        visit::visit_variant(self, variant);
    }

    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        self.give(Named::Other, &pattern.ident);
        visit::visit_pat_ident(self, pattern);
    }
}

fn wrong_names(file: &TextFile) -> Result<Vec<String>> {
    let path = &file.path;
    let mut given = Given::default();
    given.visit_file(&rust_source::items(file)?);
    let stem = file.name().strip_suffix(".rs").unwrap_or(file.name());
    given.0.push((0, Named::Other, stem.to_owned()));
    let wrong = given.0.iter().filter_map(|(line, named, name)| {
        wrong_with(path, *named, name).map(|what| format!("{path}:{line}: {what}"))
    });
    Ok(wrong.collect())
}

#[test]
fn names_in_code_use_the_words_of_the_glossary() -> Result<()> {
    let mut findings = Vec::new();
    for file in tree::rust_files()? {
        findings.extend(wrong_names(file)?);
    }
    findings::none(findings, "one word per thing: docs/glossary.md")
}

#[test]
fn a_name_falls_into_its_words() {
    assert_eq!(words("fulfill_order"), ["fulfill", "order"]);
    assert_eq!(words("RunStateV2"), ["run", "state", "v2"]);
    assert_eq!(words("HTTPHandler"), ["http", "handler"]);
    assert_eq!(words("MAX_JOBS"), ["max", "jobs"]);
}

#[test]
fn a_banned_word_is_found_where_a_name_is_given_and_not_where_one_is_used() -> Result<()> {
    let text = "struct TaskList { job: u8 }\nfn process_order(info: u8) { tokio::task::yield_now(); }\n\
                struct EventData;\nfn process_id() {}\nfn multitasking() {}\n";
    findings::count_is(
        &wrong_names(&rust_source::sample("crates/a/src/b.rs", text))?,
        4,
    )?;
    let route = rust_source::sample("crates/server/src/a.rs", "fn handler() {}");
    findings::count_is(&wrong_names(&route)?, 0)?;
    findings::count_is(
        &wrong_names(&rust_source::sample("crates/a/src/utils.rs", ""))?,
        1,
    )
}
