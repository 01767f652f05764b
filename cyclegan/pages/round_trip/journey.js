// Asks for the round trip of a picture when the page is open, and hides that of an earlier picture until it is there.
// Runs once per page, with `element`, `props`, `trigger` and `watch` of gr.HTML.

let announced = null;
let asked = null;
let isOpen = false;
function look() {
  const { token, wanted } = props.value;
  if (wanted) announced = token;
  else asked = null;
  element.dataset.stale = String(token !== announced);
  if (isOpen && wanted && asked !== token) {
    asked = token;
    trigger("wanted");
  }
}
watch("value", look);
new IntersectionObserver(([entry]) => {
  isOpen = entry.isIntersecting;
  if (!isOpen) asked = null; // who comes back asks again, should the answer not have come
  look();
}, { rootMargin: "10000px" }).observe(element);
