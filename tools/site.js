// Browsers start no worker for a page that is a file: there, a hidden frame runs the search.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(url) {
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.inside = new Promise((resolve, reject) => {
        this.frame.onload = () => {
          const inside = this.frame.contentWindow;
          const script = inside.document.createElement("script");
          inside.postMessage = (data) => setTimeout(() => this.onmessage?.({ data }));
          script.src = url;
          script.onload = () => resolve(inside);
          script.onerror = reject;
          inside.document.head.append(script);
        };
      });
      this.inside.catch((problem) => this.onerror?.(problem));
      document.body.append(this.frame);
    }
    postMessage(data) {
      this.inside.then((inside) => inside.onmessage({ data }));
    }
    terminate() {
      this.frame.remove();
    }
  };
}
