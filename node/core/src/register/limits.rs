//! Budgets of misses as the register writes them: defaults that fit together, and checks that they do.

use serde::Deserialize;
use toml::Spanned;

use crate::command::MissLimits;

use super::{
    Problem,
    document::{Wrong, at, limit},
};

/// Misses one official may have within an hour unless the portal says otherwise: a clerk serves ten people an hour, and
/// mistypes some.
pub const MISSES_PER_OFFICIAL_HOUR: u32 = 20;

/// An official's day unless the portal says otherwise, in hours' budgets: nobody mistypes so much all day.
const HOURS_IN_OFFICIAL_DAY: u32 = 3;

/// A portal's hour unless it says otherwise, in officials' budgets: few of a portal's officials ever spend theirs.
const OFFICIALS_IN_PORTAL_HOUR: u32 = 10;

/// A portal's or everybody's day unless it says otherwise, in hours' budgets: an office is open for eight.
const HOURS_IN_DAY: u32 = 5;

/// Everybody's hour unless the register says otherwise, in budgets of its largest portal.
const PORTALS_IN_CLUSTER_HOUR: u32 = 10;

/// `[budget]`: everybody's misses.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct BudgetRow {
    misses_per_hour: Option<Spanned<u32>>,
    misses_per_day: Option<Spanned<u32>>,
}

/// A portal's keys, in the order of [`portal`].
pub(super) type PortalLimits<'a> = [Option<&'a Spanned<u32>>; 4];

/// A portal's limits: an official's hour and day, the portal's own hour and day. Everybody's are still open.
pub(super) fn portal(keys: PortalLimits<'_>) -> Result<MissLimits, Wrong> {
    let [official_hour_key, official_day_key, portal_hour_key, portal_day_key] = keys;
    let official_hour = limit(official_hour_key, MISSES_PER_OFFICIAL_HOUR)?;
    let official_day = limit(official_day_key, official_hour.saturating_mul(HOURS_IN_OFFICIAL_DAY))?;
    let portal_hour = limit(portal_hour_key, official_hour.saturating_mul(OFFICIALS_IN_PORTAL_HOUR))?;
    let portal_day = limit(portal_day_key, portal_hour.saturating_mul(HOURS_IN_DAY).max(official_day))?;
    let named = |name, limit| (name, limit);
    let (an_hour, a_day) =
        (named("misses_per_official_hour", official_hour), named("misses_per_official_day", official_day));
    let (hour, day) = (named("misses_per_hour", portal_hour), named("misses_per_day", portal_day));
    in_order(an_hour, a_day, &[official_day_key, official_hour_key])?;
    in_order(an_hour, hour, &[portal_hour_key, official_hour_key])?;
    in_order(a_day, day, &[portal_day_key, official_day_key, official_hour_key])?;
    in_order(hour, day, &[portal_day_key, portal_hour_key])?;
    Ok(MissLimits { official_hour, official_day, portal_hour, portal_day, cluster_hour: 0, cluster_day: 0 })
}

/// Everybody's hour and day, which no portal may exceed.
pub(super) fn everybody(
    row: &BudgetRow,
    portals: impl Iterator<Item = MissLimits> + Clone,
) -> Result<(u32, u32), Wrong> {
    let hour_max = portals.clone().map(|limits| limits.portal_hour).max();
    let day_max = portals.map(|limits| limits.portal_day).max();
    let of_one = MISSES_PER_OFFICIAL_HOUR * OFFICIALS_IN_PORTAL_HOUR;
    let hour = limit(row.misses_per_hour.as_ref(), hour_max.unwrap_or(of_one).saturating_mul(PORTALS_IN_CLUSTER_HOUR))?;
    let day = limit(row.misses_per_day.as_ref(), hour.saturating_mul(HOURS_IN_DAY).max(day_max.unwrap_or(0)))?;
    let (hour_key, day_key) = (row.misses_per_hour.as_ref(), row.misses_per_day.as_ref());
    in_order(("a portal's misses_per_hour", hour_max.unwrap_or(0)), ("misses_per_hour", hour), &[hour_key])?;
    in_order(("a portal's misses_per_day", day_max.unwrap_or(0)), ("misses_per_day", day), &[day_key])?;
    in_order(("misses_per_hour", hour), ("misses_per_day", day), &[day_key, hour_key])?;
    Ok((hour, day))
}

/// A wide budget that is smaller than a narrow one would be spent first, and nobody would understand by whom.
fn in_order(
    (narrow, narrow_max): (&'static str, u32),
    (wide, wide_max): (&'static str, u32),
    keys: &[Option<&Spanned<u32>>],
) -> Result<(), Wrong> {
    match keys.iter().copied().flatten().next() {
        Some(key) if wide_max < narrow_max => Err(at(key, Problem::BudgetOrder { wide, wide_max, narrow, narrow_max })),
        // Where nothing is written the defaults fit together.
        _ => Ok(()),
    }
}
