/* Postpurchase: points on the pages of a shop, version 1. Fills each element with data-postpurchase; shows nothing if anything fails. */
(function () {
  "use strict";
  if (!window.fetch || !window.URLSearchParams || !window.WeakMap) return;
  var asked = new WeakMap();

  function parameters(data) {
    var values = new URLSearchParams();
    (data.lines || "").split(",").forEach(function (line) {
      var part = line.split(":");
      if (part.length < 2) return;
      values.append("product", part[0]);
      values.append("price", part[1]);
      values.append("tax", part[2] || "0");
    });
    ["currency", "lang"].forEach(function (name) {
      if (data[name]) values.append(name, data[name]);
    });
    return values;
  }

  function ask(address, options) {
    var patience = new AbortController();
    setTimeout(function () { patience.abort(); }, 5000);
    options.credentials = "omit";
    options.signal = patience.signal;
    return fetch(address, options).then(function (answer) {
      if (!answer.ok) throw new Error(answer.status);
      return answer.json();
    });
  }

  function fill(element) {
    var data = element.dataset;
    if (!data.lines && !data.token) {
      asked.delete(element);
      element.hidden = true;
      return;
    }
    var values = parameters(data);
    var key = [data.postpurchase, values, data.token, data.order].join();
    if (asked.get(element) === key) return;
    asked.set(element, key);
    function open() { return ask(data.postpurchase + "?" + values, {}); }
    var answer;
    if (data.token) {
      // In the body and not in the address: addresses are written down in many places.
      var own = new URLSearchParams(values);
      own.append("token", data.token);
      if (data.order) own.append("order", data.order);
      answer = ask(data.postpurchase, { method: "POST", body: own, cache: "no-store" }).catch(open);
    } else {
      answer = open();
    }
    answer.then(function (said) { return String(said.text || ""); }, function () { return ""; }).then(function (text) {
      // Only the last question counts, in whatever order the answers come.
      if (asked.get(element) !== key) return;
      element.textContent = text;
      element.hidden = !text;
    });
  }

  function look() {
    document.querySelectorAll("[data-postpurchase]").forEach(fill);
  }

  function variations() {
    // WooCommerce tells of a chosen variation by jQuery alone; its data has the line that the shop's snippet added.
    if (!window.jQuery) return;
    window.jQuery(document).on("found_variation reset_data", "form", function (event, variation) {
      document.querySelectorAll("[data-postpurchase][data-product]").forEach(function (element) {
        var data = element.dataset;
        data.first = data.first || data.lines;
        data.lines = (variation && variation.postpurchase) || data.first;
      });
    });
  }

  function blocks() {
    // A cart made of blocks tells of changes by its store alone; money is in minor units there, as text.
    var data = window.wp && window.wp.data, name = "wc/store/cart", cart = data && data.select && data.select(name);
    if (!cart || !cart.getCartData) return;
    function line(what, net, tax, totals) {
      var unit = Math.pow(10, totals.currency_minor_unit);
      return [what, (net / unit).toFixed(4), (tax / unit).toFixed(4)].join(":");
    }
    data.subscribe(function () {
      // Before it has asked the shop it looks empty.
      if (!cart.hasFinishedResolution("getCartData")) return;
      var now = cart.getCartData(), sums = now.totals;
      var lines = now.items.map(function (item) { return line(item.id, item.totals.line_total, item.totals.line_total_tax, item.totals); });
      if (lines.length) lines.push(line("shipping", sums.total_shipping, sums.total_shipping_tax, sums));
      now.fees.forEach(function (fee) {
        var net = fee.totals.total;
        lines.push(line(net < 0 ? "0" : "fees", net, fee.totals.total_tax, fee.totals));
      });
      document.querySelectorAll("[data-postpurchase][data-cart]").forEach(function (element) {
        element.dataset.lines = lines.join();
      });
    }, name);
  }

  function listen() {
    variations();
    blocks();
  }

  look();
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", listen);
  else listen();
  // Carts draw themselves anew when a quantity changes.
  new MutationObserver(look).observe(document.documentElement, {
    childList: true, subtree: true, attributes: true, attributeFilter: ["data-lines", "data-token"]
  });
})();
