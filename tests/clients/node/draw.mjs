// React without a page: what a component that uses a hook would have drawn, every time.
import { ConvexProvider } from "convex/react";
import { Component, createElement } from "react";
import renderer from "react-test-renderer";

class Boundary extends Component {
  state = { error: null };

  static getDerivedStateFromError(error) {
    return { error };
  }

  render() {
    if (this.state.error === null) return this.props.children;
    this.props.failed(this.state.error);
    return null;
  }
}

/** Draw a component whose body is `hook`, a function of its properties. */
export function draw(client, hook, properties = {}) {
  const drawing = { renders: [], error: null, last: () => drawing.renders.at(-1), set, end };

  function Body(given) {
    drawing.renders.push(hook(given));
    return null;
  }

  function tree(given) {
    const failed = (error) => void (drawing.error = error);
    return createElement(ConvexProvider, { client }, createElement(Boundary, { failed }, createElement(Body, given)));
  }

  const root = renderer.create(tree(properties));

  /** Draw it with other properties. */
  function set(given) {
    root.update(tree(given));
  }

  function end() {
    root.unmount();
  }

  return drawing;
}
