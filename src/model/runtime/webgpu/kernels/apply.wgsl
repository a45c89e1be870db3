// The element-wise ops by number; `elementwise.ts` has their names. With an `override` as `op` only one branch is left.
// Comes after erf.wgsl.
fn apply(op: u32, a: f32, b: f32, scalar: f32) -> f32 {
  switch op {
    case 1: { return a + b; }
    case 2: { return a - b; }
    case 3: { return a * b; }
    case 4: { return a / b; }
    case 5: { return exp(a); }
    case 6: { return log(a); }
    case 7: { return sqrt(a); }
    case 8: { return erf(a); }
    case 9: { return max(a, 0); }
    case 10: { return select(0f, 1f, a > 0); }
    case 11: { return 1 / (1 + exp(min(-a, 88))); } // finite
    case 12: { return 0.5 * a * (1 + erf(a * 0.70710678)); }
    case 13: { return a * scalar; }
    case 14: { return a + scalar; }
    default: { return a; }
  }
}
