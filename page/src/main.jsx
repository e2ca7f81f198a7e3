import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./app.css";
import { App } from "./app.jsx";
import { check } from "./session.js";

check();
render(<App />, document.getElementById("app"));
