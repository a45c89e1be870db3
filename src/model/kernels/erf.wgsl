// erf to 1e-7: on |x| < 1 an odd polynomial, on 1…4 through log(erfc); Chebyshev fits of both.
fn erf(x: f32) -> f32 {
  let z = abs(x);
  if (z < 1) {
    let t = z * z;
    var p = 7.87587506e-5;
    p = p * t - 0.000801686429;
    p = p * t + 0.00518908742;
    p = p * t - 0.026854212;
    p = p * t + 0.112835947;
    p = p * t - 0.376126267;
    p = p * t + 1.12837917;
    return p * x;
  }
  let c = min(z, 4);
  var q = -1.63715141e-6;
  q = q * c + 4.60580427e-5;
  q = q * c - 0.000596805626;
  q = q * c + 0.00475959629;
  q = q * c - 0.026421136;
  q = q * c + 0.110080083;
  q = q * c + 0.631826052;
  q = q * c + 1.13023343;
  q = q * c - 0.00032013805;
  return sign(x) * (1 - exp(-q));
}
