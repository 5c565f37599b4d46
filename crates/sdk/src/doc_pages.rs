//! The pages of `docs/primitives`, whose examples are compiled and run as documentation tests.

macro_rules! pages {
    ($($name:ident: $page:literal),* $(,)?) => {$(
        #[doc = include_str!(concat!("../../../docs/primitives/", $page))]
        pub struct $name;
    )*};
}

pages! {
    Blocking: "blocking.md",
    Cancel: "cancel.md",
    Children: "children.md",
    ContinueAsNew: "continue-as-new.md",
    ErrorsAndRetries: "errors-and-retries.md",
    Join: "join.md",
    LongRuns: "long-runs.md",
    Map: "map.md",
    OnFailure: "on-failure.md",
    Overview: "README.md",
    Race: "race.md",
    Repair: "repair.md",
    Send: "send.md",
    Signals: "signals.md",
    Sleep: "sleep.md",
    Starting: "starting.md",
    TimeAndClocks: "time-and-clocks.md",
    Undo: "undo.md",
    Versions: "versions.md",
    WaitFor: "wait-for.md",
}
