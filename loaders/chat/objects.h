// Values with behaviour: functions, bound methods, macros, loops, namespaces.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loaders/chat/ast.h"
#include "loaders/chat/interpreter.h"
#include "loaders/chat/value.h"

namespace attend::jinja {

// A function of the environment: range, dict, raise_exception ...
class Function final : public Object {
 public:
  using Body = Value (*)(Interpreter&, Arguments&);
  Function(std::string_view name, Body body) : name_(name), body_(body) {}
  std::string_view type_name() const override { return "function"; }
  std::string repr(int) const override { return "<function " + std::string(name_) + ">"; }
  bool is_callable() const override { return true; }
  Value call(Interpreter& interpreter, Arguments& arguments) override {
    return body_(interpreter, arguments);
  }

 private:
  std::string_view name_;
  Body body_;
};

using MethodBody = Value (*)(Interpreter&, const Value& self, Arguments&);

// text.upper, dict.items ...
class BoundMethod final : public Object {
 public:
  BoundMethod(std::string_view name, Value self, MethodBody body)
      : name_(name), self_(std::move(self)), body_(body) {}
  std::string_view type_name() const override { return "builtin_function_or_method"; }
  std::string repr(int) const override {
    return "<built-in method " + std::string(name_) + " of " + self_.type_name() + " object>";
  }
  bool is_callable() const override { return true; }
  Value call(Interpreter& interpreter, Arguments& arguments) override;
  Extent extent() const override {
    Extent extent;
    extent.hold(self_.extent());
    return extent;
  }

 private:
  std::string_view name_;
  Value self_;
  MethodBody body_;
};

class MacroObject final : public Object {
 public:
  MacroObject(const Macro& macro, ScopePtr scope, std::string name)
      : macro_(macro), scope_(std::move(scope)), name_(std::move(name)) {}
  std::string_view type_name() const override { return "Macro"; }
  std::string type_description() const override { return "jinja2.runtime.Macro object"; }
  std::string repr(int) const override;
  std::optional<Value> attribute(std::string_view name) const override;
  bool is_callable() const override { return true; }
  Value call(Interpreter& interpreter, Arguments& arguments) override {
    return interpreter.call_macro(macro_, scope_, arguments);
  }

 private:
  const Macro& macro_;
  ScopePtr scope_;
  std::string name_;
};

class NamespaceObject final : public Object {
 public:
  explicit NamespaceObject(Interpreter::Variables attributes) : attributes_(std::move(attributes)) {}
  std::string_view type_name() const override { return "TemplateNamespace"; }
  std::string type_description() const override {
    return "transformers.utils.chat_template_utils.TemplateNamespace object";
  }
  std::string repr(int depth) const override;
  std::optional<Value> attribute(std::string_view name) const override;
  void set(const std::string& name, Value value);
  void clear() { attributes_.clear(); }

 private:
  Interpreter::Variables attributes_;
};

// `loop` inside a for.
class LoopObject final : public Object {
 public:
  LoopObject(const For& loop, ScopePtr scope, std::shared_ptr<const List> items, int depth0)
      : loop_(loop), scope_(std::move(scope)), items_(std::move(items)), depth0_(depth0) {
    for (const Value& item : *items_) extent_.hold(item.extent());
  }
  std::string_view type_name() const override { return "LoopContext"; }
  std::string type_description() const override { return "jinja2.runtime.LoopContext object"; }
  std::string repr(int) const override;
  std::optional<Value> attribute(std::string_view name) const override;
  bool is_callable() const override { return true; }
  Value call(Interpreter& interpreter, Arguments& arguments) override;
  Extent extent() const override { return extent_; }

  void advance(std::size_t index) { index_ = index; }
  // Lets go of what changed() saw, which may be this loop.
  void finish() {
    finished_ = true;
    last_changed_.reset();
  }
  Value cycle(const Arguments& arguments) const;
  bool changed(const Arguments& arguments);

 private:
  const For& loop_;
  ScopePtr scope_;
  std::shared_ptr<const List> items_;
  Extent extent_;
  int depth0_;
  std::size_t index_ = 0;
  std::optional<List> last_changed_;
  bool finished_ = false;
};

class Cycler final : public Object {
 public:
  explicit Cycler(List items) : items_(std::move(items)) {}
  std::string_view type_name() const override { return "Cycler"; }
  std::string type_description() const override { return "jinja2.utils.Cycler object"; }
  std::optional<Value> attribute(std::string_view name) const override;
  Extent extent() const override { return ListData(items_).extent; }
  Value next();
  void reset() { position_ = 0; }

 private:
  List items_;
  std::size_t position_ = 0;
};

class Joiner final : public Object {
 public:
  explicit Joiner(Value separator) : separator_(std::move(separator)) {}
  std::string_view type_name() const override { return "Joiner"; }
  std::string type_description() const override { return "jinja2.utils.Joiner object"; }
  bool is_callable() const override { return true; }
  Value call(Interpreter&, Arguments&) override {
    return std::exchange(used_, true) ? separator_ : Value("");
  }

 private:
  Value separator_;
  bool used_ = false;
};

// dict.items(), keys(), values(): they can be iterated again and have a length.
class DictView final : public Object {
 public:
  DictView(std::string_view type_name, List items)
      : type_name_(type_name), data_(std::make_shared<const ListData>(std::move(items))) {}
  std::string_view type_name() const override { return type_name_; }
  std::string repr(int depth) const override;
  std::shared_ptr<const List> items() const override { return {data_, &data_->items}; }
  bool has_length() const override { return true; }
  Extent extent() const override { return data_->extent; }

 private:
  std::string_view type_name_;
  std::shared_ptr<const ListData> data_;
};

// Methods and attributes of text, lists, dicts, numbers; nothing when the type has no such one.
std::optional<Value> find_method(const Value& object, std::string_view name);
MethodBody find_text_method(std::string_view name);
// Whether Python's object has the attribute but the sandbox refuses it: mutators, and names with __.
bool is_unsafe_attribute(const Value& object, std::string_view name);
// range, dict, namespace, cycler, joiner, raise_exception, strftime_now.
std::optional<Value> find_global(std::string_view name);

}  // namespace attend::jinja
