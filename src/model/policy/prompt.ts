/** The prompt of upstream's evaluation (openvla_utils.get_vla_action). */
export function promptFor(instruction: string): string {
  return `In: What action should the robot take to ${instruction.toLowerCase()}?\nOut:`;
}
