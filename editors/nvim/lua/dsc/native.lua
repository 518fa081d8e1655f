--- Ghost text by Neovim's own |vim.lsp.inline_completion| (0.12).
local insert = require('dsc.insert')

local M = {}

local METHOD = 'textDocument/inlineCompletion'
local INVOKED = 1

--- @class dsc.Asked
--- @field handler fun(failure, result, context) Neovim's own
--- @field request fun(...) the client's, as it was
--- @field are_all? boolean whether alternatives were asked for

--- What was last asked of each client. Neovim asks by itself only, and a server makes alternatives
--- only for who asks on purpose.
local asked = {} --- @type table<integer, dsc.Asked>

--- Remembers from now on what Neovim asks a client, so that it can be asked on purpose.
--- @param client vim.lsp.Client
function M.attach(client)
  if asked[client.id] then
    return
  end
  local request = client.request
  asked[client.id] = { request = request, handler = function() end }
  client.request = function(self, method, params, handler, buffer)
    if method == METHOD then
      asked[self.id] = { request = request, handler = handler }
    end
    return request(self, method, params, handler, buffer)
  end
end

local function is_shown()
  local namespace = vim.api.nvim_get_namespaces()['nvim.lsp.inline_completion']
  return namespace and #vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { limit = 1 }) > 0
end

--- Neovim inserts at the place that the text was offered for; what was typed since would stay
--- behind it. So we insert ourselves.
local function suggestion_of(item)
  local row, start_column, _, end_column = item.range:to_extmark()
  return {
    row = row,
    start_column = start_column,
    replaced = end_column - start_column,
    text = item.insert_text:gsub('\r\n', '\n'),
    command = item.command,
    client_id = item.client_id,
  }
end

--- @param otherwise fun() called if the suggestion that is shown does not fit any more
--- @return boolean taken whether there is a suggestion to take; it is taken a moment later
function M.accept(cut, otherwise)
  return vim.lsp.inline_completion.get({
    on_accept = function(item)
      if type(item.insert_text) ~= 'string' or not item.range then
        return item
      end
      if not insert.take(suggestion_of(item), cut) then
        otherwise()
      end
    end,
  })
end

function M.dismiss()
  return vim.lsp.inline_completion.get({ on_accept = function() end })
end

--- @param client vim.lsp.Client
function M.select(count, client)
  local last = asked[client.id]
  if last.are_all then
    return vim.lsp.inline_completion.select({ count = count })
  end
  local buffer, tick = vim.api.nvim_get_current_buf(), vim.b.changedtick
  local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
  params.context = { triggerKind = INVOKED }
  last.request(client, METHOD, params, function(failure, result, context)
    local is_current = vim.api.nvim_get_current_buf() == buffer and vim.b.changedtick == tick
    local items = result and (result.items or result) or {}
    if failure or not is_current or #items == 0 then
      return
    end
    local was_shown = is_shown()
    last.handler(failure, result, context)
    last.are_all = true
    -- Who asks without seeing anything wants to see the first.
    vim.lsp.inline_completion.select({ count = was_shown and count or 0 })
  end, buffer)
end

function M.enable(enabled, buffer)
  vim.lsp.inline_completion.enable(enabled, { bufnr = buffer })
end

return M
