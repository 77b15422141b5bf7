// What the page knows. Modules read it and change it; show() draws it.

export const state = {
  about: null, // what the server shows, or the network that was trained here and adopted
  original: null, // what the server shows
  strokes: [], // of the pad: {width, points: [[x, y], ...]}, in 0 to 1
  backdrop: null, // a picture under the strokes: something drawImage takes
  pixels: null, // the 28x28 that the network sees, bytes in base64, as it came from the server
  digit: 0, // counts the digits that were shown, so that late answers about an earlier one are dropped
  meant: null, // the label that was chosen by hand, or came with a test digit
  thought: null, // the answer of /api/think
  wish: null, // the answer of /api/wish
  around: null, // the answer of /api/average
  step: -1, // of the backward pass; -1: the forward pass is shown
  picked: null, // [layer, neuron] whose three ways are told
  session: null, // names our copy of the network, once it has learned something
  lessons: [], // {steps, cost, accuracy, share} after each lesson; the first, before any, says of which pixels and label
};
export const label = () => state.meant ?? state.thought?.digit ?? 0;
export const nameOf = (digit) => state.about.labels[digit];
export const copy = () => (state.session ? { session: state.session } : {});
export const layers = () => state.about.layer_sizes.length - 1;

export function neuronName(layer, neuron) {
  if (layer === layers()) return `output ${nameOf(neuron)}`;
  return `neuron ${neuron} of hidden layer ${layer}`;
}
