//! What a cron expression means on the days when clocks are changed, and on all others.

use jiff::SignedDuration;
use proptest::prelude::*;
use std::iter;
use std::time::Duration;

use super::*;

const LOS_ANGELES: &str = "America/Los_Angeles";

const MINUTE_MS: u64 = 60_000;

fn schedule(expression: &str, zone: &str) -> Schedule {
    Schedule::parse(expression, zone).unwrap()
}

/// An instant written as RFC 3339.
fn at(text: &str) -> Timestamp {
    let instant: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_ms(u64::try_from(instant.as_millisecond()).unwrap())
}

/// The next `count` ticks after `after`, as civil times with their offset from UTC.
fn ticks(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let schedule = schedule(expression, zone);
    let mut last = at(after);
    let mut shown = Vec::new();
    for _ in 0..count {
        last = schedule.next_after(last).unwrap();
        let civil = to_jiff(last).to_zoned(schedule.rules.clone());
        shown.push(civil.strftime("%m-%d %H:%M%:z").to_string());
    }
    shown
}

#[test]
fn a_daily_tick_in_the_gap_comes_at_its_end() {
    assert_eq!(
        ticks("30 2 * * *", LOS_ANGELES, "2026-03-07T00:00:00-08:00", 3),
        [
            "03-07 02:30-08:00",
            "03-08 03:00-07:00",
            "03-09 02:30-07:00"
        ]
    );
    assert_eq!(
        ticks("30 2 * * *", LOS_ANGELES, "2027-03-13T00:00:00-08:00", 3),
        [
            "03-13 02:30-08:00",
            "03-14 03:00-07:00",
            "03-15 02:30-07:00"
        ]
    );
}

#[test]
fn a_daily_tick_outside_the_gap_and_the_overlap_knows_nothing_of_them() {
    assert_eq!(
        ticks("30 1 * * *", LOS_ANGELES, "2026-03-07T00:00:00-08:00", 3),
        [
            "03-07 01:30-08:00",
            "03-08 01:30-08:00",
            "03-09 01:30-07:00"
        ]
    );
    assert_eq!(
        ticks("30 1 * * *", LOS_ANGELES, "2027-03-13T00:00:00-08:00", 3),
        [
            "03-13 01:30-08:00",
            "03-14 01:30-08:00",
            "03-15 01:30-07:00"
        ]
    );
    assert_eq!(
        ticks("30 2 * * *", LOS_ANGELES, "2026-10-31T00:00:00-07:00", 3),
        [
            "10-31 02:30-07:00",
            "11-01 02:30-08:00",
            "11-02 02:30-08:00"
        ]
    );
    assert_eq!(
        ticks("30 2 * * *", LOS_ANGELES, "2027-11-06T00:00:00-07:00", 3),
        [
            "11-06 02:30-07:00",
            "11-07 02:30-08:00",
            "11-08 02:30-08:00"
        ]
    );
}

#[test]
fn a_daily_tick_in_the_overlap_comes_the_first_time_only() {
    assert_eq!(
        ticks("30 1 * * *", LOS_ANGELES, "2026-10-31T00:00:00-07:00", 3),
        [
            "10-31 01:30-07:00",
            "11-01 01:30-07:00",
            "11-02 01:30-08:00"
        ]
    );
    assert_eq!(
        ticks("30 1 * * *", LOS_ANGELES, "2027-11-06T00:00:00-07:00", 3),
        [
            "11-06 01:30-07:00",
            "11-07 01:30-07:00",
            "11-08 01:30-08:00"
        ]
    );
}

#[test]
fn several_times_in_one_gap_tick_once_together() {
    let in_2026 = ticks("*/15 * * * *", LOS_ANGELES, "2026-03-08T01:30:00-08:00", 3);
    assert_eq!(
        in_2026,
        [
            "03-08 01:45-08:00",
            "03-08 03:00-07:00",
            "03-08 03:15-07:00"
        ]
    );
    let in_2027 = ticks("*/15 * * * *", LOS_ANGELES, "2027-03-14T01:30:00-08:00", 3);
    assert_eq!(
        in_2027,
        [
            "03-14 01:45-08:00",
            "03-14 03:00-07:00",
            "03-14 03:15-07:00"
        ]
    );
    assert_eq!(
        ticks(
            "10,20,30 2 * * *",
            LOS_ANGELES,
            "2026-03-08T00:00:00-08:00",
            2
        ),
        ["03-08 03:00-07:00", "03-09 02:10-07:00"]
    );
}

#[test]
fn quarter_hours_are_silent_while_an_hour_is_repeated() {
    let in_2026 = ticks("*/15 * * * *", LOS_ANGELES, "2026-11-01T01:30:00-07:00", 3);
    assert_eq!(
        in_2026,
        [
            "11-01 01:45-07:00",
            "11-01 02:00-08:00",
            "11-01 02:15-08:00"
        ]
    );
    let in_2027 = ticks("*/15 * * * *", LOS_ANGELES, "2027-11-07T01:30:00-07:00", 3);
    assert_eq!(
        in_2027,
        [
            "11-07 01:45-07:00",
            "11-07 02:00-08:00",
            "11-07 02:15-08:00"
        ]
    );
    // Asked from within the second pass, too.
    let asked_within = ticks("*/15 * * * *", LOS_ANGELES, "2026-11-01T01:10:00-08:00", 1);
    assert_eq!(asked_within, ["11-01 02:00-08:00"]);
}

#[test]
fn every_hour_ticks_every_hour_but_for_the_repeated_one() {
    let spring = ticks("0 * * * *", LOS_ANGELES, "2026-03-08T00:30:00-08:00", 3);
    assert_eq!(
        spring,
        [
            "03-08 01:00-08:00",
            "03-08 03:00-07:00",
            "03-08 04:00-07:00"
        ]
    );
    let spring = ticks("0 * * * *", LOS_ANGELES, "2027-03-14T00:30:00-08:00", 3);
    assert_eq!(
        spring,
        [
            "03-14 01:00-08:00",
            "03-14 03:00-07:00",
            "03-14 04:00-07:00"
        ]
    );
    let autumn = ticks("0 * * * *", LOS_ANGELES, "2026-11-01T00:30:00-07:00", 3);
    assert_eq!(
        autumn,
        [
            "11-01 01:00-07:00",
            "11-01 02:00-08:00",
            "11-01 03:00-08:00"
        ]
    );
    let autumn = ticks("0 * * * *", LOS_ANGELES, "2027-11-07T00:30:00-07:00", 3);
    assert_eq!(
        autumn,
        [
            "11-07 01:00-07:00",
            "11-07 02:00-08:00",
            "11-07 03:00-08:00"
        ]
    );
}

#[test]
fn a_change_by_half_an_hour_is_a_gap_and_an_overlap_of_half_an_hour() {
    let zone = "Australia/Lord_Howe";
    assert_eq!(
        ticks("*/15 * * * *", zone, "2026-10-04T01:30:00+10:30", 3),
        [
            "10-04 01:45+10:30",
            "10-04 02:30+11:00",
            "10-04 02:45+11:00"
        ]
    );
    assert_eq!(
        ticks("15 2 * * *", zone, "2026-10-03T00:00:00+10:30", 3),
        [
            "10-03 02:15+10:30",
            "10-04 02:30+11:00",
            "10-05 02:15+11:00"
        ]
    );
    assert_eq!(
        ticks("*/15 * * * *", zone, "2026-04-05T01:30:00+11:00", 3),
        [
            "04-05 01:45+11:00",
            "04-05 02:00+10:30",
            "04-05 02:15+10:30"
        ]
    );
    assert_eq!(
        ticks("45 1 * * *", zone, "2026-04-05T00:00:00+11:00", 2),
        ["04-05 01:45+11:00", "04-06 01:45+10:30"]
    );
}

#[test]
fn a_civil_day_that_a_country_left_out_ticks_at_the_beginning_of_the_next() {
    // Samoa crossed the date line: 29 December 2011 was followed by the 31st.
    assert_eq!(
        ticks("0 9 * * *", "Pacific/Apia", "2011-12-29T00:00:00-10:00", 4),
        [
            "12-29 09:00-10:00",
            "12-31 00:00+14:00",
            "12-31 09:00+14:00",
            "01-01 09:00+14:00"
        ]
    );
}

#[test]
fn a_tick_is_strictly_after_the_instant_asked_about() {
    let nine = at("2026-06-01T09:00:00Z");
    let daily = schedule("0 9 * * *", "UTC");
    assert_eq!(
        daily.next_after(nine),
        Some(at("2026-06-02T09:00:00Z")),
        "at the tick itself"
    );
    let just_before = Timestamp::from_ms(nine.as_ms() - 1);
    assert_eq!(daily.next_after(just_before), Some(nine));
    let just_after = Timestamp::from_ms(nine.as_ms() + 1);
    assert_eq!(
        daily.next_after(just_after),
        Some(at("2026-06-02T09:00:00Z"))
    );
}

#[test]
fn a_leap_day_comes_in_leap_years_alone() {
    let leap_day = schedule("0 0 29 2 *", "UTC");
    let first = leap_day.next_after(at("2026-01-01T00:00:00Z")).unwrap();
    assert_eq!(first, at("2028-02-29T00:00:00Z"));
    assert_eq!(
        leap_day.next_after(first),
        Some(at("2032-02-29T00:00:00Z")),
        "four years are within the horizon"
    );
    assert_eq!(
        leap_day.next_after(at("2096-03-01T00:00:00Z")),
        None,
        "eight years are not"
    );
}

#[test]
fn a_date_that_never_comes_is_looked_for_within_bounds() {
    for expression in ["0 0 30 2 *", "* * 31 2,4,6,9,11 *"] {
        let never = schedule(expression, LOS_ANGELES);
        for after in [0, 1_800_000_000_000, 253_402_300_799_999, u64::MAX] {
            assert_eq!(never.next_after(Timestamp::from_ms(after)), None);
        }
        let nothing = due(
            &never,
            Timestamp::ZERO,
            Timestamp::from_ms(u64::MAX),
            Missed::Latest,
        );
        assert_eq!((nothing.ticks.len(), nothing.skipped), (0, 0));
    }
}

#[test]
fn the_end_of_the_calendar_is_the_end_of_ticks() {
    let always = schedule("* * * * *", LOS_ANGELES);
    assert_eq!(always.next_after(Timestamp::from_ms(u64::MAX)), None);
    assert_eq!(
        always.next_after(Timestamp::ZERO),
        Some(Timestamp::from_ms(MINUTE_MS))
    );
}

#[test]
fn either_day_field_suffices_when_both_are_restricted() {
    // 1 June 2026 is a Monday.
    let after = "2026-06-01T12:00:00Z";
    assert_eq!(
        ticks("0 0 10 * fri", "UTC", after, 3),
        [
            "06-05 00:00+00:00",
            "06-10 00:00+00:00",
            "06-12 00:00+00:00"
        ]
    );
    assert_eq!(
        ticks("0 0 * * fri", "UTC", after, 2),
        ["06-05 00:00+00:00", "06-12 00:00+00:00"]
    );
    // A field that begins with a star is not restricted, so both must match.
    assert_eq!(
        ticks("0 0 */2 * fri", "UTC", after, 2),
        ["06-05 00:00+00:00", "06-19 00:00+00:00"]
    );
}

#[test]
fn names_lists_ranges_steps_and_nicknames_are_other_ways_to_write_numbers() {
    let same = [
        ("0 0 * jan,Mar-MAY sun", "0 0 * 1,3,4,5 0"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * 5-7", "0 0 * * fri,sat,sun"),
        ("0 0 * * mon-fri", "0 0 * * 1,2,3,4,5"),
        ("10-50/20 */8 * * *", "10,30,50 0,8,16 * * *"),
        ("  0\t0  * * * ", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
        ("@Daily", "0 0 * * *"),
        ("@weekly", "0 0 * * sun"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
    ];
    for (one, other) in same {
        assert_eq!(
            Pattern::parse(one).unwrap(),
            Pattern::parse(other).unwrap(),
            "{one} and {other}"
        );
    }
}

#[test]
fn a_schedule_keeps_its_texts_and_equals_what_has_the_same() {
    let daily = schedule("@daily", LOS_ANGELES);
    assert_eq!((daily.expression(), daily.zone()), ("@daily", LOS_ANGELES));
    assert_eq!(daily, daily.clone());
    assert_ne!(daily, schedule("0 0 * * *", LOS_ANGELES));
    assert_ne!(daily, schedule("@daily", "UTC"));
    assert_eq!(
        format!("{daily:?}"),
        "Schedule { expression: \"@daily\", zone: \"America/Los_Angeles\", .. }"
    );
}

#[test]
fn a_bad_expression_is_named_with_what_was_expected() {
    let bad = [
        ("", "\"\" has 0 fields: expected five"),
        ("* * * *", "\"* * * *\" has 4 fields: expected five"),
        ("0 * * * * *", "has 6 fields: expected five"),
        ("@reboot", "\"@reboot\" is not known: expected @hourly"),
        (
            "60 * * * *",
            "\"60\" as its minute or a part of it: expected numbers from 0 to 59",
        ),
        ("0 24 * * *", "\"24\" as its hour"),
        (
            "0 0 0 * *",
            "\"0\" as its day of the month or a part of it: expected numbers from 1 to 31",
        ),
        (
            "0 0 1 13 *",
            "\"13\" as its month or a part of it: expected numbers from 1 to 12, names from jan to dec",
        ),
        ("0 0 * * 8", "\"8\" as its day of the week"),
        (
            "0 0 * * monday",
            "\"monday\" as its day of the week or a part of it: expected numbers from 0 to 7, names from sun to sat",
        ),
        ("1,,2 * * * *", "\"\" as its minute"),
        ("+5 * * * *", "\"+5\" as its minute"),
        ("-5 * * * *", "\"-5\" as its minute"),
        ("1000 * * * *", "\"1000\" as its minute"),
        ("٣ * * * *", "\"٣\" as its minute"),
        (
            "5,30-10 * * * *",
            "\"30-10\" as its minute or a part of it: expected a range that rises",
        ),
        (
            "0 0 * * fri-sun",
            "\"fri-sun\" as its day of the week or a part of it: expected a range that rises",
        ),
        (
            "*/0 * * * *",
            "\"*/0\" as its minute or a part of it: expected a step from 1 to 60",
        ),
        (
            "*/90 * * * *",
            "\"*/90\" as its minute or a part of it: expected a step from 1 to 60",
        ),
        (
            "*/ * * * *",
            "\"*/\" as its minute or a part of it: expected a step from 1 to 60",
        ),
        (
            "5/15 * * * *",
            "\"5/15\" as its minute or a part of it: expected a range before the step, such as 5-59/n",
        ),
        ("0 0 L * *", "\"L\" as its day of the month"),
        ("? * * * *", "\"?\" as its minute"),
    ];
    for (expression, message) in bad {
        let error = Schedule::parse(expression, "UTC").unwrap_err().to_string();
        assert!(error.contains(message), "{expression:?} gives: {error}");
        assert!(error.contains(&format!("{expression:?}")), "{error}");
    }
}

#[test]
fn a_bad_zone_is_named_with_what_was_expected() {
    for zone in [
        "",
        "Mars/Olympus",
        "PST",
        "+02:00",
        "../etc/passwd",
        "Etc/Unknown",
    ] {
        let error = Schedule::parse("@daily", zone).unwrap_err();
        assert_eq!(
            error,
            ScheduleError::Zone {
                zone: zone.to_owned()
            }
        );
        let expected = format!(
            "time zone {zone:?} is not known: expected a name of the IANA database such as \
             \"America/Los_Angeles\", or \"UTC\""
        );
        assert_eq!(error.to_string(), expected);
    }
}

/// A schedule that ticks on the hour, and a `last` such that three ticks are due at 12:00.
fn three_hours() -> (Schedule, Timestamp) {
    (schedule("0 * * * *", "UTC"), at("2026-06-01T09:00:00Z"))
}

fn is_due(now: &str, missed: Missed) -> Due {
    let (hourly, last) = three_hours();
    due(&hourly, last, at(now), missed)
}

fn answer(given: &[&str], skipped: u64, considered: &str) -> Due {
    Due {
        ticks: given.iter().map(|text| at(text)).collect(),
        skipped,
        considered: at(considered),
    }
}

const TEN: &str = "2026-06-01T10:00:00Z";
const ELEVEN: &str = "2026-06-01T11:00:00Z";
const NOON: &str = "2026-06-01T12:00:00Z";
/// Noon's tick is still on time.
const A_MINUTE_PAST: &str = "2026-06-01T12:01:00Z";
/// Noon's tick was missed.
const TOO_LATE: &str = "2026-06-01T12:01:00.001Z";

#[test]
fn skipping_missed_ticks_gives_the_newest_only_while_it_is_on_time() {
    assert_eq!(is_due(NOON, Missed::Skip), answer(&[NOON], 2, NOON));
    assert_eq!(
        is_due(A_MINUTE_PAST, Missed::Skip),
        answer(&[NOON], 2, NOON)
    );
    assert_eq!(is_due(TOO_LATE, Missed::Skip), answer(&[], 3, NOON));
}

#[test]
fn the_latest_missed_tick_stands_for_all() {
    for now in [NOON, A_MINUTE_PAST, TOO_LATE] {
        assert_eq!(is_due(now, Missed::Latest), answer(&[NOON], 2, NOON));
    }
}

#[test]
fn all_missed_ticks_are_given_that_are_not_too_old() {
    let within = |minutes: u64| Missed::All {
        within_ms: minutes * MINUTE_MS,
    };
    assert_eq!(
        is_due(NOON, within(120)),
        answer(&[TEN, ELEVEN, NOON], 0, NOON)
    );
    assert_eq!(is_due(NOON, within(119)), answer(&[ELEVEN, NOON], 1, NOON));
    assert_eq!(is_due(TOO_LATE, within(61)), answer(&[NOON], 2, NOON));
    assert_eq!(is_due(TOO_LATE, within(1)), answer(&[], 3, NOON));
    // A tick on time was not missed, so how old missed ones may be is nothing to it.
    assert_eq!(is_due(A_MINUTE_PAST, within(0)), answer(&[NOON], 2, NOON));
}

#[test]
fn an_older_tick_within_a_minute_was_missed_all_the_same() {
    let every_minute = schedule("* * * * *", "UTC");
    let last = at("2026-06-01T11:58:30Z");
    assert_eq!(
        due(&every_minute, last, at(NOON), Missed::Skip),
        answer(&[NOON], 1, NOON)
    );
}

#[test]
fn nothing_is_due_between_ticks_and_nothing_moves() {
    let last = "2026-06-01T09:00:00Z";
    for now in [last, "2026-06-01T09:59:59.999Z"] {
        for missed in [Missed::Skip, Missed::Latest, Missed::All { within_ms: 0 }] {
            assert_eq!(is_due(now, missed), answer(&[], 0, last));
        }
    }
}

#[test]
fn a_clock_set_back_makes_nothing_due_and_forgets_nothing() {
    let last = "2026-06-01T09:00:00Z";
    for now in [
        "2026-06-01T08:59:59.999Z",
        "2020-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
    ] {
        for missed in [
            Missed::Skip,
            Missed::Latest,
            Missed::All {
                within_ms: u64::MAX,
            },
        ] {
            assert_eq!(is_due(now, missed), answer(&[], 0, last));
        }
    }
}

#[test]
fn what_was_considered_is_not_due_again() {
    let (hourly, last) = three_hours();
    let first = due(&hourly, last, at(TOO_LATE), Missed::Skip);
    let again = due(&hourly, first.considered, at(TOO_LATE), Missed::Latest);
    assert_eq!(again, answer(&[], 0, NOON));
}

#[test]
fn after_a_long_absence_the_newest_thousand_are_given_and_the_rest_is_counted() {
    let every_minute = schedule("* * * * *", "UTC");
    let (last, now) = (at("2026-06-01T00:00:00Z"), at("2026-06-03T00:00:30Z"));
    let all = Missed::All {
        within_ms: u64::MAX,
    };
    let after_two_days = due(&every_minute, last, now, all);
    assert_eq!(after_two_days.ticks.len(), MISSED_TICKS_MAX);
    assert_eq!(after_two_days.skipped, 2 * 24 * 60 - 1_000);
    assert_eq!(after_two_days.considered, at("2026-06-03T00:00:00Z"));
    assert_eq!(
        after_two_days.ticks.first(),
        Some(&at("2026-06-02T07:21:00Z"))
    );
    assert_eq!(
        after_two_days.ticks.last(),
        Some(&after_two_days.considered)
    );
}

#[test]
fn ticks_of_more_than_five_years_ago_are_not_even_counted() {
    let monthly = schedule("@monthly", "UTC");
    let found = due(
        &monthly,
        Timestamp::ZERO,
        at("2026-06-15T00:00:00Z"),
        Missed::Skip,
    );
    assert_eq!((found.ticks.len(), found.skipped), (0, 60));
    assert_eq!(found.considered, at("2026-06-01T00:00:00Z"));
}

#[test]
fn a_tick_past_midnight_is_due_though_the_clock_has_gone_back_before_it() {
    // Newfoundland's clocks once went back by an hour at a minute past midnight.
    let daily = schedule("0 0 * * *", "America/St_Johns");
    let last = at("2010-11-06T12:00:00-02:30");
    let midnight = at("2010-11-07T00:00:00-02:30");
    let evening_again = at("2010-11-06T23:01:30-03:30");
    assert!(midnight < evening_again);
    let found = due(&daily, last, evening_again, Missed::Latest);
    assert_eq!((found.ticks, found.considered), (vec![midnight], midnight));
    assert_eq!(
        daily.next_after(midnight),
        Some(at("2010-11-08T00:00:00-03:30"))
    );
}

#[test]
fn policies_have_a_word_and_survive_encoding() {
    let missed = [Missed::Skip, Missed::Latest, Missed::All { within_ms: 7 }];
    assert_eq!(missed.map(Missed::word), ["skip", "latest", "all"]);
    let overlap = [Overlap::Allow, Overlap::Skip, Overlap::CancelPrevious];
    assert_eq!(
        overlap.map(Overlap::word),
        ["allow", "skip", "cancel-previous"]
    );
    let bytes = bincode::serialize(&(missed, overlap)).unwrap();
    let back: ([Missed; 3], [Overlap; 3]) = bincode::deserialize(&bytes).unwrap();
    assert_eq!(back, (missed, overlap));
}

/// One field of an expression: its text, and its values worked out without the parser.
type Written = (String, Vec<i8>);

fn field(least: i8, most: i8) -> impl Strategy<Value = Written> {
    let all: Vec<i8> = (least..=most).collect();
    let every = Just(("*".to_owned(), all.clone()));
    let one = (least..=most).prop_map(|value| (value.to_string(), vec![value]));
    let two = (least..=most, least..=most).prop_map(|(a, b)| (format!("{a},{b}"), vec![a, b]));
    let range = (least..=most, least..=most).prop_map(|(a, b)| {
        let (first, last) = (a.min(b), a.max(b));
        (format!("{first}-{last}"), (first..=last).collect())
    });
    let step = (2..=6_i8).prop_map(move |n| {
        let values = all.iter().copied().filter(|v| (v - least) % n == 0);
        (format!("*/{n}"), values.collect())
    });
    prop_oneof![3 => every, 2 => one, 1 => two, 1 => range, 3 => step]
}

fn day_field(least: i8, most: i8) -> impl Strategy<Value = Written> {
    let all: Vec<i8> = (least..=most).collect();
    let every = Just(("*".to_owned(), all));
    let one = (least..=most).prop_map(|value| (value.to_string(), vec![value]));
    prop_oneof![3 => every, 1 => one]
}

/// What an expression says, looked at one minute at a time.
#[derive(Debug)]
struct Oracle {
    minute: Written,
    hour: Written,
    day_of_month: Written,
    day_of_week: Written,
    rules: TimeZone,
}

impl Oracle {
    fn matches(&self, civil: DateTime) -> bool {
        let by_month = self.day_of_month.1.contains(&civil.day());
        let by_week = (self.day_of_week.1).contains(&civil.weekday().to_sunday_zero_offset());
        let by_day = if self.day_of_month.0 == "*" || self.day_of_week.0 == "*" {
            by_month && by_week
        } else {
            by_month || by_week
        };
        by_day && self.minute.1.contains(&civil.minute()) && self.hour.1.contains(&civil.hour())
    }

    /// The ticks at `count` whole minutes from `first` on, which is counted in minutes. They are
    /// told from what the clock on the wall shows at these minutes and those before them, and
    /// never from a civil time made into an instant.
    fn ticks(&self, first: u64, count: u64) -> Vec<Timestamp> {
        let instant = |minute: u64| Timestamp::from_ms(minute * MINUTE_MS);
        let shown: Vec<DateTime> = (first - LOOKS_BACK..first + count)
            .map(|minute| self.rules.to_datetime(to_jiff(instant(minute))))
            .collect();
        let windows = shown.windows(usize::try_from(LOOKS_BACK + 1).unwrap());
        (first..)
            .zip(windows)
            .filter(|(_, window)| {
                let [before @ .., latest, shown] = window else {
                    return false;
                };
                let again = |civil| before.contains(civil) || latest == civil;
                (self.matches(*shown) && !again(shown)) || self.matches_between(*latest, *shown)
            })
            .map(|(minute, _)| instant(minute))
            .collect()
    }

    /// Whether a civil time matches that the wall left out between two minutes.
    fn matches_between(&self, latest: DateTime, shown: DateTime) -> bool {
        let minute = SignedDuration::from_mins(1);
        iter::successors(Some(latest + minute), |left_out| Some(*left_out + minute))
            .take_while(|left_out| *left_out < shown)
            .any(|left_out| self.matches(left_out))
    }
}

const ZONES: [&str; 8] = [
    LOS_ANGELES,
    "Australia/Lord_Howe",
    "Europe/London",
    "America/Havana",
    "America/Nuuk",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "UTC",
];

/// A zone, and an instant of 2026 to 2029, every other one near a change of that zone's clock.
fn somewhen() -> impl Strategy<Value = (&'static str, Timestamp)> {
    let begin = at("2026-01-01T00:00:00Z");
    let years_ms = 4 * 365 * 24 * 60 * MINUTE_MS;
    let near_ms = 5 * 60 * MINUTE_MS;
    (
        prop::sample::select(&ZONES[..]),
        0..years_ms,
        0..near_ms,
        any::<bool>(),
    )
        .prop_map(move |(zone, far, near, at_change)| {
            let anywhere = begin.after(Duration::from_millis(far));
            let rules = TimeZoneDatabase::bundled().get(zone).unwrap();
            let change = rules.following(to_jiff(anywhere)).next();
            let instant = match change.filter(|_| at_change) {
                Some(change) => {
                    let ms = u64::try_from(change.timestamp().as_millisecond()).unwrap();
                    Timestamp::from_ms(ms - near_ms / 2 + near)
                }
                None => anywhere,
            };
            (zone, instant)
        })
}

/// How far the oracle looks, in minutes: past any change of clocks, and into the next day.
const LOOKS_AHEAD: u64 = 30 * 60;

/// For how long the oracle remembers what the wall has shown, in minutes: past any overlap.
const LOOKS_BACK: u64 = 150;

proptest! {
    #[test]
    fn ticks_rise_and_none_lies_between_an_instant_and_its_next_tick(
        minute in field(0, 59),
        hour in field(0, 23),
        day_of_month in day_field(1, 31),
        day_of_week in day_field(0, 6),
        (zone, after) in somewhen(),
    ) {
        let text = format!("{} {} {} * {}", minute.0, hour.0, day_of_month.0, day_of_week.0);
        let schedule = schedule(&text, zone);
        let rules = schedule.rules.clone();
        let oracle = Oracle { minute, hour, day_of_month, day_of_week, rules };
        let first = after.as_ms() / MINUTE_MS + 1;
        let expected = oracle.ticks(first, LOOKS_AHEAD);
        let end = Timestamp::from_ms((first + LOOKS_AHEAD) * MINUTE_MS - 1);
        let mut found = Vec::new();
        let mut last = after;
        while let Some(next) = schedule.next_after(last) {
            prop_assert!(next > last, "{next} is not after {last}");
            if next > end {
                break;
            }
            found.push(next);
            last = next;
        }
        prop_assert_eq!(&found, &expected, "{} in {}", text, zone);
        // The same from every instant on the way, and all at once.
        let all = due(&schedule, after, end, Missed::All { within_ms: u64::MAX });
        prop_assert_eq!(all.ticks.len() as u64 + all.skipped, found.len() as u64);
        prop_assert!(found.ends_with(&all.ticks));
    }
}
