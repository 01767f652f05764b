// Runs once per page, with `element`, `props` and `watch` of gr.HTML.

const stage = element.querySelector(".stage");
const divider = element.querySelector("input");

function move() {
  stage.style.setProperty("--at", `${divider.value}%`);
  divider.setAttribute("aria-valuetext", `${divider.value} %`);
}

function show() {
  const value = props.value;
  stage.hidden = !value;
  if (!value) return;
  stage.style.setProperty("--ratio", value.width / value.height);
  element.querySelector(".before").src = value.before;
  element.querySelector(".after").src = value.after;
}

divider.addEventListener("input", move);
element.querySelector("button").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else stage.requestFullscreen();
});
watch("value", show);
move();
show();
