//! The command line as documented.

use super::*;

/// Every command with its full name, leaves only.
fn leaves(command: &clap::Command, path: &str) -> Vec<(String, clap::Command)> {
    let below: Vec<_> = command
        .get_subcommands()
        .filter(|sub| sub.get_name() != "help")
        .collect();
    if below.is_empty() {
        return vec![(path.to_owned(), command.clone())];
    }
    let each = below.into_iter();
    each.flat_map(|sub| leaves(sub, format!("{path} {}", sub.get_name()).trim()))
        .collect()
}

fn document(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_help_with_an_example() {
    for (path, command) in leaves(&Cli::command(), "") {
        assert!(
            command.get_about().is_some(),
            "{path} says nothing of itself"
        );
        let after = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(after.contains("stepwell "), "{path} shows no example");
    }
}

#[test]
fn every_option_of_serve_is_in_the_configuration_page() {
    let page = document("configuration.md");
    let serve = Cli::command().find_subcommand("serve").unwrap().clone();
    for option in serve
        .get_arguments()
        .filter(|option| option.get_id() != "help")
    {
        let flag = format!("`--{}", option.get_long().unwrap());
        assert!(page.contains(&flag), "docs/configuration.md lacks {flag}");
        if let Some(variable) = option.get_env() {
            let variable = format!("`{}`", variable.to_string_lossy());
            assert!(
                page.contains(&variable),
                "docs/configuration.md lacks {variable}"
            );
        }
    }
}

#[test]
fn every_exit_code_is_in_its_page_and_in_help() {
    let page = document("exit-codes.md");
    for exit in Exit::ALL {
        let row = format!("| {} | {} |", exit.number(), exit.meaning());
        assert!(page.contains(&row), "docs/exit-codes.md lacks: {row}");
        assert!(Exit::table().contains(exit.meaning()));
    }
}
